// FCN-8s on VGG-16 (Long, Shelhamer and Darrell, CVPR 2015), layer by layer as
// the released Caffe network voc-fcn8s-atonce; parameter names as there and in
// the usual PyTorch ports.
//
//   conv1_1 (padding 100) .. pool5: VGG-16, 2x2 max pooling in ceil mode
//   fc6 7x7 -> 4096, fc7 1x1 -> 4096, ReLU and dropout 0.5 after each
//   score_fr    1x1 on fc7, upscore2 4x4/2                           stride 16
//   score_pool4 1x1 on 0.01 x pool4, crop at 5, add; upscore_pool4 4x4/2  8
//   score_pool3 1x1 on 1e-4 x pool3, crop at 9, add; upscore8 16x16/8     1
//   crop at 31 to the size of the input
//
// The factors 0.01 and 1e-4 are those of the at-once training.
// At the image border the released network fades: no score cell lies outside,
// so the deconvolutions lose up to the first 25 pixels' coarse scores. Kept.
// Initial values: VGG layers He normal (they are meant to be loaded), score
// layers zero (Caffe's default), upscore* bilinear and frozen
// (requires_grad = false, Caffe's lr_mult 0; set it to true to learn them).
// 134.5 M parameters at 21 classes (538 MB), of which 119.5 M in fc6 and fc7.
//
// Input: NormalizeImageNet (imagenet.h), as torchvision's vgg16 weights want
// it.
#ifndef COMMON_BACKBONES_VGG16_FCN8S_H_
#define COMMON_BACKBONES_VGG16_FCN8S_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/backbones/vgg16.h"
#include "torch/arg.h"
#include "torch/nn/module.h"
#include "torch/nn/modules/conv.h"
#include "torch/nn/pimpl.h"

namespace seg {

struct Vgg16Fcn8sOptions {
  explicit Vgg16Fcn8sOptions(int64_t num_classes) : num_classes_(num_classes) {}
  TORCH_ARG(int64_t, num_classes);
  // Channels of fc6 and fc7. Less than 4096 saves memory, but then published
  // weights of the two do not fit.
  TORCH_ARG(int64_t, fc_channels) = 4096;
  // Scales of the skip connections: at-once (0.01, 1e-4) or 1.
  TORCH_ARG(bool, at_once) = true;
};

class Vgg16Fcn8sImpl : public Vgg16Impl {
 public:
  explicit Vgg16Fcn8sImpl(const Vgg16Fcn8sOptions& options);

  // x: [N,3,H,W] normalised, any H, W >= 1. Returns logits [N,num_classes,H,W].
  // Dropout in training mode uses the default generator.
  at::Tensor forward(const at::Tensor& x);

  std::vector<at::Tensor> backbone_parameters() const;  // conv*, fc6, fc7
  std::vector<at::Tensor> head_parameters() const;      // score_*, upscore*

 private:
  Vgg16Fcn8sOptions options_;
  torch::nn::Conv2d fc6_{nullptr}, fc7_{nullptr};
  torch::nn::Conv2d score_fr_{nullptr}, score_pool4_{nullptr},
      score_pool3_{nullptr};
  torch::nn::ConvTranspose2d upscore2_{nullptr}, upscore_pool4_{nullptr},
      upscore8_{nullptr};
};
TORCH_MODULE(Vgg16Fcn8s);

}  // namespace seg

#endif  // COMMON_BACKBONES_VGG16_FCN8S_H_
