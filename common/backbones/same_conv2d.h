// 2-D convolution with TensorFlow's "SAME" padding, without bias.
//
//   x [N,C_in,H,W] -> [N,C_out,ceil(H/stride),ceil(W/stride)]
//
// The zero padding depends on the input size and, when it is odd, puts the
// extra row or column after the image: total = max((ceil(H/s)-1) s + k - H, 0),
// before = total / 2, with k the extent of the dilated kernel. Equal to
// Conv2dDynamicSamePadding of the Python package efficientnet-lite-pytorch (its
// static variant fixes the amounts of the 224-pixel image, which agree at
// multiples of 32).
#ifndef COMMON_BACKBONES_SAME_CONV2D_H_
#define COMMON_BACKBONES_SAME_CONV2D_H_

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "torch/arg.h"
#include "torch/nn/module.h"
#include "torch/nn/pimpl.h"

namespace seg {

struct SameConv2dOptions {
  SameConv2dOptions(int64_t in_channels, int64_t out_channels,
                    int64_t kernel_size)
      : in_channels_(in_channels),
        out_channels_(out_channels),
        kernel_size_(kernel_size) {}
  TORCH_ARG(int64_t, in_channels);
  TORCH_ARG(int64_t, out_channels);
  TORCH_ARG(int64_t, kernel_size);
  TORCH_ARG(int64_t, stride) = 1;
  TORCH_ARG(int64_t, dilation) = 1;
  TORCH_ARG(int64_t, groups) = 1;
};

class SameConv2dImpl : public torch::nn::Module {
 public:
  // Initial weights are uniform in +-1/sqrt(fan_in), as torch::nn::Conv2d.
  explicit SameConv2dImpl(const SameConv2dOptions& options);
  at::Tensor forward(const at::Tensor& x) const;

 private:
  SameConv2dOptions options_;
  at::Tensor weight_;  // "weight" [C_out, C_in/groups, k, k]
};
TORCH_MODULE(SameConv2d);

}  // namespace seg

#endif  // COMMON_BACKBONES_SAME_CONV2D_H_
