// Guidance network on the features of an ImageNet backbone: the gates of the
// experiments on scenes.
//
//   f_2, f_4, .., f_32: feature_pyramid.h, c_s channels at stride s
//   y = relu(conv 1x1 (f_32))                                   to c_32
//   for s = 16, 8, 4:  y = act(conv 3x3 (up(y))) + f_s          to c_s
//       act: ReLU, ELU at s = 4
//   gates = conv 3x3 (up(y))  [- batch norm]                    to out_channels
//
// `up` is bilinear (align_corners = false) to the size of the map that follows;
// the last one has half of the image's size.
//
// With vgg16 this is the released model for PASCAL VOC (512, 512, 512 and 256
// channels, no batch norm); Liu et al. 2017 say only that features of several
// levels of VGG-16 enter by summation. The activation behind the 1x1
// convolution is not known.
#ifndef SPN_FEATURE_GUIDANCE_H_
#define SPN_FEATURE_GUIDANCE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/backbones/feature_pyramid.h"
#include "torch/nn/module.h"
#include "torch/nn/modules/batchnorm.h"
#include "torch/nn/modules/conv.h"
#include "torch/nn/pimpl.h"

namespace seg {
namespace spn {

class FeatureGuidanceImpl : public torch::nn::Module {
 public:
  // backbone: one of FeaturePyramidNames(). The output starts scaled by
  // gate_scale.
  FeatureGuidanceImpl(const std::string& backbone, int64_t out_channels,
                      bool output_norm, double gate_scale);

  // images: [N,3,H,W] RGB 0..255, any H, W >= 1. Returns
  // [N,out_channels,ceil(H/2),ceil(W/2)].
  at::Tensor forward(const at::Tensor& images);

  // The backbone's parameters and the others.
  std::vector<at::Tensor> backbone_parameters() const;
  std::vector<at::Tensor> decoder_parameters() const;
  FeaturePyramid& pyramid() { return pyramid_; }

 private:
  FeaturePyramid pyramid_;
  torch::nn::Conv2d deepest_{nullptr};
  std::vector<torch::nn::Conv2d> decoder_;  // strides 16, 8, 4
  torch::nn::Conv2d output_{nullptr};
  torch::nn::BatchNorm2d output_norm_{nullptr};
};
TORCH_MODULE(FeatureGuidance);

}  // namespace spn
}  // namespace seg

#endif  // SPN_FEATURE_GUIDANCE_H_
