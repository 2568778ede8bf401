// DeepLab V3 (Chen et al. 2017): a backbone whose last stages are dilated
// instead of strided, atrous spatial pyramid pooling (ASPP), scores at image
// size. The segmentation network of GANSeg (He et al. 2022).
//
//   images [N,3,H,W] -> normalise -> backbone: [N,F,H/s,W/s], s output stride
//     -> ASPP: 1x1 | 3x3 with each rate | mean over the map, 1x1   (side by
//        side, each with BN and ReLU) -> 1x1 | BN | ReLU | dropout
//     -> 3x3 | BN | ReLU -> 1x1 scores -> bilinear to H x W: [N,C,H,W] logits
//
// | backbone           | F    | parameters (2 classes) | weights             |
// | resnet50           | 2048 | 39 633 986             | torchvision's, file |
// | efficientnet_lite0 | 320  | 6 256 130              | imagenet, file      |
// | tiny               | 48   | 1 327 122              | from scratch        |
// (with the default head of 256 channels and three rates; tiny is meant with
// fewer: 32 channels and rates {1, 2} give 93 650.)
//
// Names are those of torchvision's deeplabv3_resnet50: backbone.*, classifier.0
// (ASPP), classifier.1 to .4. With resnet50, output stride 8 and the default
// head the network is that one without its auxiliary head: 39 638 869
// parameters at 21 classes.
#ifndef COMMON_BACKBONES_DEEPLAB_V3_H_
#define COMMON_BACKBONES_DEEPLAB_V3_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/backbones/efficientnet_lite.h"
#include "common/backbones/resnet.h"
#include "common/backbones/tiny_backbone.h"
#include "torch/arg.h"
#include "torch/nn/module.h"
#include "torch/nn/modules/batchnorm.h"
#include "torch/nn/modules/conv.h"
#include "torch/nn/pimpl.h"

namespace seg {

// resnet50, efficientnet_lite0, tiny: for config checks and messages.
const std::vector<std::string>& DeepLabV3BackboneNames();

// The output strides that a backbone of these names can have, in rising order.
std::vector<int64_t> DeepLabV3OutputStrides(const std::string& backbone);

struct DeepLabV3Options {
  DeepLabV3Options(std::string backbone, int64_t num_classes)
      : backbone_(std::move(backbone)), num_classes_(num_classes) {}
  // One of DeepLabV3BackboneNames().
  TORCH_ARG(std::string, backbone);
  TORCH_ARG(int64_t, num_classes);
  // Stride of the map that ASPP reads, reached by dilation: 8, 16 or 32; tiny:
  // 2, 4 or 8. 32-pixel images want 4 (tiny) or 8.
  TORCH_ARG(int64_t, output_stride) = 8;
  // Dilations of the 3x3 convolutions of ASPP, one branch each. The defaults
  // belong to output stride 8 and large images: a rate that is not below the
  // size of the map leaves the middle tap alone (a slow 1x1 convolution), as
  // 24 and 36 do for 128-pixel images at stride 8.
  TORCH_ARG(std::vector<int64_t>, rates) = {12, 24, 36};
  // Channels of ASPP and of the convolution behind it.
  TORCH_ARG(int64_t, channels) = 256;
  // Behind the projection of ASPP, in training.
  TORCH_ARG(double, dropout) = 0.5;
  // Of EfficientNet-Lite (fcn.h); other backbones ignore it.
  TORCH_ARG(double, drop_connect_rate) = 0.2;
};

// Atrous spatial pyramid pooling: [N,F,h,w] -> [N,channels,h,w]. Names:
// convs.0 (1x1), convs.1 .. (rates), then the image pooling; project.
class AsppImpl : public torch::nn::Module {
 public:
  AsppImpl(int64_t in_channels, int64_t channels,
           const std::vector<int64_t>& rates, double dropout);
  at::Tensor forward(const at::Tensor& x);

 private:
  double dropout_;
  std::vector<torch::nn::Conv2d> convs_;
  std::vector<torch::nn::BatchNorm2d> bns_;
  torch::nn::Conv2d project_{nullptr};
  torch::nn::BatchNorm2d project_bn_{nullptr};
};
TORCH_MODULE(Aspp);

class DeepLabV3;

class DeepLabV3Impl : public torch::nn::Module {
 public:
  // Throws c10::Error for options out of range. Initial values come from the
  // default generator; deep copies by clone() are not supported.
  explicit DeepLabV3Impl(const DeepLabV3Options& options);

  // images: [N,3,H,W] float32/float64 (the module's type), RGB in 0..255, any
  // strides, any H, W >= 1. Returns logits [N,num_classes,H,W], contiguous.
  // Differentiable in parameters and images. N = 0 works in eval mode.
  // Training mode needs N >= 2 and says so: the pooled image is one value a
  // channel and sample, of which batch norm needs two.
  // Dropout and drop-connect draw from the default generator.
  at::Tensor forward(const at::Tensor& images);

  // The pre-trained part and the part that starts at random, for separate
  // learning rates. Together: parameters(), each once.
  std::vector<at::Tensor> backbone_parameters() const;
  std::vector<at::Tensor> head_parameters() const;

  const DeepLabV3Options& options() const { return options_; }

 private:
  friend absl::Status LoadBackboneWeights(DeepLabV3& network,
                                          const std::string& path);
  at::Tensor Features(const at::Tensor& images);

  DeepLabV3Options options_;
  // Exactly one of the three is not empty; registered as "backbone".
  ResNet resnet_{nullptr};
  EfficientNetLite lite_{nullptr};
  TinyBackbone tiny_{nullptr};
  // "classifier.0" .. "classifier.4"
  Aspp aspp_{nullptr};
  torch::nn::Conv2d conv_{nullptr};
  torch::nn::BatchNorm2d bn_{nullptr};
  torch::nn::Conv2d score_{nullptr};
};
TORCH_MODULE(DeepLabV3);

// Loads pre-trained weights into the backbone of `network` from a .pth or
// safetensors file (by content):
//   resnet50:           torchvision's resnet50 (fc is ignored);
//   efficientnet_lite0: names of efficientnet-lite-pytorch (the classifier is
//                       ignored);
//   tiny:               names of TinyBackbone.
// The head keeps its values. Errors name the path; nothing is changed then.
absl::Status LoadBackboneWeights(DeepLabV3& network, const std::string& path);

}  // namespace seg

#endif  // COMMON_BACKBONES_DEEPLAB_V3_H_
