// The convolutions of VGG-16 (Simonyan and Zisserman 2015, configuration D),
// with the parameter names of Caffe and of the usual ports: conv1_1 .. conv5_3.
//
//   block i (0 .. 4): 2, 2, 3, 3, 3 times (conv 3x3, ReLU)
//   channels 64, 128, 256, 512, 512; a pooling with stride 2 follows each block
//
// Initial values: He normal, fan-out (they are meant to be loaded).
// Input: NormalizeImageNet (imagenet.h).
#ifndef COMMON_BACKBONES_VGG16_H_
#define COMMON_BACKBONES_VGG16_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "common/io/tensor_map.h"
#include "torch/arg.h"
#include "torch/nn/module.h"
#include "torch/nn/modules/conv.h"
#include "torch/nn/pimpl.h"

namespace seg {

struct Vgg16Options {
  // Padding of conv1_1: 1, or 100 as in the networks of Long et al. 2015.
  TORCH_ARG(int64_t, first_padding) = 1;
  // 2: 2x2 pooling in ceil mode; 3: 3x3 with padding 1. Both give
  // ceil(n / 2) of n.
  TORCH_ARG(int64_t, pool_size) = 2;
};

class Vgg16Impl : public torch::nn::Module {
 public:
  static constexpr int64_t kBlocks = 5;

  explicit Vgg16Impl(const Vgg16Options& options = {});

  // The feature maps at strides 2, 4, 8, 16 and 32, finest first: what blocks
  // 1 to 4 give, and the last pooling. Channels 128, 256, 512, 512, 512.
  //   x: [N,3,H,W] normalised, any H, W >= 1
  std::vector<at::Tensor> forward(const at::Tensor& x);

  // One block, without the pooling behind it; the pooling.
  at::Tensor Block(int64_t i, at::Tensor x);
  at::Tensor Pool(const at::Tensor& x) const;

  // Weights and biases of the convolutions.
  std::vector<at::Tensor> conv_parameters() const;

 private:
  Vgg16Options vgg_options_;
  std::vector<torch::nn::Conv2d> convs_;  // conv1_1 .. conv5_3
};
TORCH_MODULE(Vgg16);

// Renames torchvision's vgg16 state dict (features.N.*, classifier.0.*,
// classifier.3.*; classifier.6.* is dropped) to the names above and fc6, fc7,
// and reshapes the two linear layers to 7x7 and 1x1 convolutions (views, no
// copies). A map that already has these names passes unchanged. Errors:
// InvalidArgument for a classifier of another shape.
absl::StatusOr<TensorMap> Vgg16BackboneTensors(const TensorMap& tensors);

}  // namespace seg

#endif  // COMMON_BACKBONES_VGG16_H_
