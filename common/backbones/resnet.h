// ResNet-18 and ResNet-50 (He et al. 2016) as feature maps, with the structure
// and the state_dict names of torchvision's resnet18 and resnet50, so that
// their weight files load.
//
//   x [N,3,H,W] --conv 7x7/2 | BN | ReLU | max pool 3x3/2--> layer1 .. layer4
//
//   basic block (18):  3x3/s | BN | ReLU | 3x3 | BN | + shortcut | ReLU
//   bottleneck (50):   1x1 | BN | ReLU | 3x3/s | BN | ReLU | 1x1 x4 | BN
//                      | + shortcut | ReLU
//   shortcut: the input, or 1x1/s | BN in the first block of a layer that
//   changes the size ("downsample").
//
// | depth | blocks     | channels of the layers | parameters (with fc, 1000) |
// | 18    | 2, 2, 2, 2 | 64, 128, 256, 512      | 11 176 512 (11 689 512)    |
// | 50    | 3, 4, 6, 3 | 256, 512, 1024, 2048   | 23 508 032 (25 557 032)    |
//
// Output stride (depth 50): a layer that would exceed it keeps stride 1 and
// doubles the dilation of its 3x3 convolutions instead; its first block keeps
// the dilation of the layer before (torchvision's replace_stride_with_dilation,
// the form of DeepLab V3). With 8, the value of GANSeg: layer3 has dilation 1,
// then 2; layer4 has 2, then 4. At every (output stride)-th position the maps
// are those of the network with stride 32: published weights stay valid.
//
// Input: NormalizeImageNet (imagenet.h). Batch norm: eps 1e-5, momentum 0.1.
// Initial values: He normal, fan-out; scales 1. Runs in channels_last whatever
// the layout of x; the returned maps are in channels_last too.
#ifndef COMMON_BACKBONES_RESNET_H_
#define COMMON_BACKBONES_RESNET_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "torch/arg.h"
#include "torch/nn/module.h"
#include "torch/nn/modules/batchnorm.h"
#include "torch/nn/modules/conv.h"
#include "torch/nn/modules/linear.h"
#include "torch/nn/pimpl.h"

namespace seg {

struct ResNetOptions {
  explicit ResNetOptions(int64_t depth) : depth_(depth) {}
  // 18 or 50.
  TORCH_ARG(int64_t, depth);
  // 8, 16 or 32; less than 32 for depth 50 only.
  TORCH_ARG(int64_t, output_stride) = 32;
  // > 0 adds the classifier (fc) for Classify(); 1000 for published weights.
  TORCH_ARG(int64_t, num_classes) = 0;
};

// One residual block, of either kind; names as in torchvision.
class ResNetBlockImpl : public torch::nn::Module {
 public:
  // bottleneck: three convolutions with 4 * channels at the end, else two.
  ResNetBlockImpl(int64_t in_channels, int64_t channels, bool bottleneck,
                  int64_t stride, int64_t dilation);
  at::Tensor forward(const at::Tensor& x);

 private:
  std::vector<torch::nn::Conv2d> convs_;     // "conv1", "conv2"[, "conv3"]
  std::vector<torch::nn::BatchNorm2d> bns_;  // "bn1", ...
  // "downsample.0", "downsample.1"; empty when the shortcut is the input.
  torch::nn::Conv2d shortcut_{nullptr};
  torch::nn::BatchNorm2d shortcut_bn_{nullptr};
};
TORCH_MODULE(ResNetBlock);

class ResNetImpl : public torch::nn::Module {
 public:
  // Throws c10::Error when an option is out of range.
  explicit ResNetImpl(const ResNetOptions& options);

  // The outputs of layer1 .. layer4, at strides 4, 8, 16, 32 or the output
  // stride where that is less.
  //   x: [N,3,H,W] float32/float64 normalised, any H, W >= 1 and strides; a map
  //      at stride s has ceil(H / s) rows. N = 0 works in eval mode.
  // Differentiable in parameters and x.
  std::vector<at::Tensor> forward(const at::Tensor& x);

  // Mean over the pixels of the last map, then the linear layer:
  // [N,num_classes]. Needs num_classes > 0.
  at::Tensor Classify(const at::Tensor& x);

  // Channels of the four maps.
  const std::vector<int64_t>& channels() const { return channels_; }

 private:
  std::vector<int64_t> channels_;
  torch::nn::Conv2d conv1_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr};
  std::vector<std::vector<ResNetBlock>> layers_;
  torch::nn::Linear fc_{nullptr};  // empty when num_classes == 0
};
TORCH_MODULE(ResNet);

}  // namespace seg

#endif  // COMMON_BACKBONES_RESNET_H_
