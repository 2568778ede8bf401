// Module with the learnable kernels of LabelConvolution.
//
// Parameter "weight" [L, L, 2 s + 1, 2 s + 1], zero at the start (paper), so
// that training begins at the unary result. What is applied is kernel():
//   free (paper, default):  weight
//   tied:                   (weight[l][m][o] + weight[m][l][-o]) / 2
// With mask_centre (default) the centre tap is exactly zero in kernel(), in the
// output, and in the gradient of the weight; switch it off for the layer as the
// authors released it. The number of free parameters is then
// ((2s+1)^2 - 1) L^2, and half of it when tied (40 L^2 for 9 x 9).

#ifndef COMMON_LAYERS_LABEL_CONVOLUTION_LABEL_CONVOLUTION_LAYER_H_
#define COMMON_LAYERS_LABEL_CONVOLUTION_LABEL_CONVOLUTION_LAYER_H_

#include <ATen/core/Tensor.h>
#include <torch/arg.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

namespace seg {

struct LabelConvolutionLayerOptions {
  explicit LabelConvolutionLayerOptions(int64_t labels) : labels_(labels) {}
  TORCH_ARG(int64_t, labels);
  TORCH_ARG(int64_t, radius) = 4;  // s; 9 x 9 in all runs of the paper
  TORCH_ARG(bool, tied) = false;
  TORCH_ARG(bool, mask_centre) = true;
};

class LabelConvolutionLayerImpl : public torch::nn::Module {
 public:
  explicit LabelConvolutionLayerImpl(
      const LabelConvolutionLayerOptions& options);

  // [N, L, H, W] -> [N, L, H, W].
  at::Tensor forward(const at::Tensor& q);

  // The kernel that forward applies, [L, L, 2 s + 1, 2 s + 1]. Compute it once
  // where one kernel serves many iterations.
  at::Tensor kernel() const;

  at::Tensor& weight() { return weight_; }
  const LabelConvolutionLayerOptions& options() const { return options_; }

 private:
  LabelConvolutionLayerOptions options_;
  at::Tensor weight_;
};
TORCH_MODULE(LabelConvolutionLayer);

}  // namespace seg

#endif  // COMMON_LAYERS_LABEL_CONVOLUTION_LABEL_CONVOLUTION_LAYER_H_
