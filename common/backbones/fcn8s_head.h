// FCN-8s head on a feature pyramid (Long, Shelhamer and Darrell 2015, Sec. 4.2,
// with bilinear resizing in place of fixed deconvolutions and crops).
//
//   features, coarsest:  1x1 score ---------------------------- upsample --+
//   next finer:          1x1 score ------------------------- + upsample --+ |
//   finest:              1x1 score ------------------------- + --> upsample
//                                                         to height x width
//
// Works for any number of levels and any sizes; with EfficientNet-Lite it gets
// the levels at strides 8, 16 and 32. Upsampling is bilinear with half-pixel
// centres (align_corners = false). Initial weights N(0, 0.01^2), biases 0.
#ifndef COMMON_BACKBONES_FCN8S_HEAD_H_
#define COMMON_BACKBONES_FCN8S_HEAD_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "torch/arg.h"
#include "torch/nn/module.h"
#include "torch/nn/modules/conv.h"
#include "torch/nn/pimpl.h"

namespace seg {

struct Fcn8sHeadOptions {
  Fcn8sHeadOptions(std::vector<int64_t> in_channels, int64_t num_classes)
      : in_channels_(std::move(in_channels)), num_classes_(num_classes) {}
  // Channels of the feature maps, finest first.
  TORCH_ARG(std::vector<int64_t>, in_channels);
  TORCH_ARG(int64_t, num_classes);
};

class Fcn8sHeadImpl : public torch::nn::Module {
 public:
  explicit Fcn8sHeadImpl(const Fcn8sHeadOptions& options);

  // features: one [N,C_k,H_k,W_k] per level, finest first. Returns scores
  // [N,num_classes,height,width], contiguous.
  at::Tensor forward(const std::vector<at::Tensor>& features, int64_t height,
                     int64_t width);

 private:
  std::vector<torch::nn::Conv2d> scores_;  // "score0" (finest), "score1", ...
};
TORCH_MODULE(Fcn8sHead);

}  // namespace seg

#endif  // COMMON_BACKBONES_FCN8S_HEAD_H_
