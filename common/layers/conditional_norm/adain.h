// Modules: a batch norm without parameters of its own, then a scale and a shift
// for each channel that a small network makes from a style vector (adaptive
// normalisation).
//
//   h = LReLU(hidden(style))             linear  S -> hidden
//   gamma, beta = affine(h)              linear  hidden -> 2 C
//   y = (1 + gamma) * BatchNorm(x) + beta
//
//   x [N,C,H,W], style [N,S] -> y [N,C,H,W]         float32 or float64
//
// Slope, batch norm, gradients and start as in spade.h. The first C of the 2 C
// outputs of "affine" are gamma.
//
// Source: Huang and Belongie 2017 (with instance norm); batch norm as in He et
// al. 2022 (GANSeg).

#ifndef COMMON_LAYERS_CONDITIONAL_NORM_ADAIN_H_
#define COMMON_LAYERS_CONDITIONAL_NORM_ADAIN_H_

#include <ATen/core/Tensor.h>
#include <torch/arg.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

#include "common/layers/conditional_norm/modulated_norm.h"

namespace seg {

struct AdainOptions {
  AdainOptions(int64_t channels, int64_t style_size)
      : channels_(channels), style_size_(style_size) {}
  TORCH_ARG(int64_t, channels);
  TORCH_ARG(int64_t, style_size);
  TORCH_ARG(int64_t, hidden_size) = 128;
};

// Modules "norm", "hidden" and "affine".
class AdainImpl : public torch::nn::Module {
 public:
  explicit AdainImpl(const AdainOptions& options);
  // y, or LReLU(y) with that slope.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& style,
                     double slope = 1);

 private:
  ModulatedNorm norm_{nullptr};
  torch::nn::Linear hidden_{nullptr}, affine_{nullptr};
};
TORCH_MODULE(Adain);

struct AdainConvBlockOptions {
  AdainConvBlockOptions(int64_t in_channels, int64_t out_channels,
                        int64_t style_size)
      : in_channels_(in_channels),
        out_channels_(out_channels),
        style_size_(style_size) {}
  TORCH_ARG(int64_t, in_channels);
  TORCH_ARG(int64_t, out_channels);
  TORCH_ARG(int64_t, style_size);
  TORCH_ARG(int64_t, hidden_size) = 128;
};

// AdaIN, LReLU, conv 3x3 in -> out (zero padding 1): x [N,in,H,W], style [N,S]
// -> [N,out,H,W]. Modules "adain" and "conv".
class AdainConvBlockImpl : public torch::nn::Module {
 public:
  explicit AdainConvBlockImpl(const AdainConvBlockOptions& options);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& style);

 private:
  Adain adain_{nullptr};
  torch::nn::Conv2d conv_{nullptr};
};
TORCH_MODULE(AdainConvBlock);

}  // namespace seg

#endif  // COMMON_LAYERS_CONDITIONAL_NORM_ADAIN_H_
