// The convolutions of CaffeNet (the AlexNet of Krizhevsky et al. 2012 in one
// tower, as BVLC's bvlc_reference_caffenet), up to conv5's ReLU:
//
// | layer | op                          | 227 x 227: | parameters |
// | conv1 | 11x11/4, 96; ReLU           | 96x55x55   | 34,944     |
// | pool1 | max 3x3/2                   | 96x27x27   |            |
// | norm1 | CaffeLrn                    |            |            |
// | conv2 | 5x5, 2 groups, 256; ReLU    | 256x27x27  | 307,456    |
// | pool2 | max 3x3/2                   | 256x13x13  |            |
// | norm2 | CaffeLrn                    |            |            |
// | conv3 | 3x3, 384; ReLU              | 384x13x13  | 885,120    |
// | conv4 | 3x3, 2 groups, 384; ReLU    | 384x13x13  | 663,936    |
// | conv5 | 3x3, 2 groups, 256; ReLU    | 256x13x13  | 442,624    |
//
// The order is convolution, ReLU, pooling, normalisation; AlexNet has the
// normalisation before the pooling, and weights are right for their own order
// alone. conv1 is not padded; conv2 to conv5 keep the size. pool5 and the fully
// connected layers are left out.
#ifndef COMMON_BACKBONES_CAFFENET_H_
#define COMMON_BACKBONES_CAFFENET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "torch/nn/module.h"
#include "torch/nn/modules/conv.h"
#include "torch/nn/pimpl.h"

namespace seg {

// RGB 0..255 [N,3,H,W] -> BGR minus the means of ImageNet that came with the
// model, 104.007, 116.669, 122.679 (the mean over the pixels of its mean
// image): what the published weights expect.
at::Tensor NormalizeCaffe(const at::Tensor& images);

// Local response normalisation over channels, x / (1 + 1e-4 / 5 * sum of the
// squares of 5 channels around)^0.75; channels beyond the ends are 0. alpha is
// divided by the window, as in Caffe.
//   x: [N,C,H,W], any strides. Differentiable.
at::Tensor CaffeLrn(const at::Tensor& x);

// Modules conv1 .. conv5, Caffe's names.
class CaffeNetImpl : public torch::nn::Module {
 public:
  static constexpr int64_t kChannels = 256;

  // Initial values: He normal, fan-in (they are meant to be loaded); biases 0.
  CaffeNetImpl();

  // x: [N,3,H,W] float32/float64, NormalizeCaffe's, any strides, H, W >= 35.
  // returns: [N,256,h,w], contiguous: 16 n + 19 pixels give n, 227 give 13.
  // Windows that do not fit are left out (Caffe rounds up; at these sizes all
  // fit).
  // Differentiable in parameters and x.
  at::Tensor forward(const at::Tensor& x);

 private:
  std::vector<torch::nn::Conv2d> convs_;
};
TORCH_MODULE(CaffeNet);

// Loads a .pth or .safetensors file with Caffe's names: conv1.weight,
// conv1.bias .. conv5.bias, weights [out, in / groups, k, k]; fc6, fc7 and fc8
// are passed over. Errors name the file and what did not agree; nothing is
// changed then.
absl::Status LoadBackboneWeights(CaffeNet& net, const std::string& path);

}  // namespace seg

#endif  // COMMON_BACKBONES_CAFFENET_H_
