// Fully convolutional network: a backbone, a score head, scores at image size.
//
//   images [N,3,H,W] -> normalise -> backbone -> 1x1 scores at several strides
//     -> coarse to fine: upsample, add -> bilinear to H x W -> scores [N,C,H,W]
//
// One type for every backbone that the papers here use as unary network:
//   tiny                   49k parameters, trained from scratch (demos, tests)
//   efficientnet_lite0..2  ImageNet backbone, FCN-8s head (fcn8s_head.h)
//   vgg16                  FCN-8s of Long et al. 2015 (vgg16_fcn8s.h)
// (deeplab_v3.h is another one, on dilated backbones.)
// The scores are logits (no soft-max).
#ifndef COMMON_BACKBONES_FCN_H_
#define COMMON_BACKBONES_FCN_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/backbones/efficientnet_lite.h"
#include "common/backbones/fcn8s_head.h"
#include "common/backbones/state_dict.h"
#include "common/backbones/tiny_backbone.h"
#include "common/backbones/vgg16_fcn8s.h"
#include "torch/arg.h"
#include "torch/nn/module.h"
#include "torch/nn/pimpl.h"

namespace seg {

// Names accepted by FcnOptions::backbone, for config checks and messages.
const std::vector<std::string>& FcnBackboneNames();

struct FcnOptions {
  FcnOptions(std::string backbone, int64_t num_classes)
      : backbone_(std::move(backbone)), num_classes_(num_classes) {}
  // One of FcnBackboneNames().
  TORCH_ARG(std::string, backbone);
  TORCH_ARG(int64_t, num_classes);
  // Probability with which the last residual block of EfficientNet-Lite is
  // skipped in training (linear from 0 over the blocks; 0.2 in the reference).
  // 0 switches it off; other backbones ignore it.
  TORCH_ARG(double, drop_connect_rate) = 0.2;
};

class Fcn;

class FcnImpl : public torch::nn::Module {
 public:
  // Throws c10::Error for an unknown backbone or num_classes < 1. Initial
  // values come from the default generator; deep copies by clone() are not
  // supported.
  explicit FcnImpl(const FcnOptions& options);

  // images: [N,3,H,W] float32/float64 (the module's type), RGB in 0..255, any
  // strides, H and W >= min_size(). Returns logits [N,num_classes,H,W], dense.
  // Differentiable in parameters and images. N = 0 works in eval mode.
  at::Tensor forward(const at::Tensor& images);

  // The pre-trained part and the part that starts at random, for separate
  // learning rates. Together: parameters(), each once.
  std::vector<at::Tensor> backbone_parameters() const;
  std::vector<at::Tensor> head_parameters() const;

  // Smallest H and W that forward accepts: the stride of the coarsest level (32
  // EfficientNet-Lite, 8 tiny), 1 for vgg16 (it pads by 100).
  int64_t min_size() const;

  const FcnOptions& options() const { return options_; }

 private:
  friend absl::Status LoadBackboneWeights(Fcn& fcn, const std::string& path);

  FcnOptions options_;
  // Exactly one of the three backbones is not empty; head_ is empty for vgg16,
  // which has its own.
  TinyBackbone tiny_{nullptr};
  EfficientNetLite lite_{nullptr};
  Vgg16Fcn8s vgg_{nullptr};
  Fcn8sHead head_{nullptr};
};
TORCH_MODULE(Fcn);

// Loads pre-trained weights into the backbone of `fcn` from a .pth or
// safetensors file (by content):
//   efficientnet_lite*: names of the Python package efficientnet-lite-pytorch
//                       (classifier tensors in the file are ignored);
//   vgg16:              torchvision's vgg16 (features.N, classifier.0 and .3
//                       reshaped to fc6, fc7; classifier.6 is ignored);
//   tiny:               names of TinyBackbone.
// The head keeps its values. Errors name the path; nothing is changed then.
absl::Status LoadBackboneWeights(Fcn& fcn, const std::string& path);

}  // namespace seg

#endif  // COMMON_BACKBONES_FCN_H_
