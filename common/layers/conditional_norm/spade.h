// Modules: spatially adaptive normalisation (SPADE). A batch norm without
// parameters of its own, then a scale and a shift for each pixel that two
// convolutions make from a style map:
//
//   h = LReLU(hidden(style))             conv 3x3  S -> hidden
//   gamma, beta = affine(h)              conv 3x3  hidden -> 2 C
//   y = (1 + gamma) * BatchNorm(x) + beta
//
//   x [N,C,H,W], style [N,S,H,W] -> y [N,C,H,W]     float32 or float64
//
// Zero padding 1 and biases everywhere; leaky ReLU with slope 0.2; batch norm
// and limits of modulated_norm.h. Gradients to x, style and the parameters.
// Channels-last is the fast layout on a CPU. gamma and beta come from one
// convolution (the first C of its 2 C channels are gamma): one pass over h.
//
// Source: Park et al. 2019 (SPADE); batch norm, slope and start as in He et al.
// 2022 (GANSeg). The start is InitializeKaiming's.

#ifndef COMMON_LAYERS_CONDITIONAL_NORM_SPADE_H_
#define COMMON_LAYERS_CONDITIONAL_NORM_SPADE_H_

#include <ATen/core/Tensor.h>
#include <torch/arg.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

#include "common/layers/conditional_norm/modulated_norm.h"

namespace seg {

struct SpadeOptions {
  SpadeOptions(int64_t channels, int64_t style_channels)
      : channels_(channels), style_channels_(style_channels) {}
  TORCH_ARG(int64_t, channels);
  TORCH_ARG(int64_t, style_channels);
  TORCH_ARG(int64_t, hidden_channels) = 128;
};

// The two convolutions. Modules "hidden" and "affine".
class SpadeModulationImpl : public torch::nn::Module {
 public:
  explicit SpadeModulationImpl(const SpadeOptions& options);
  // style -> [N,2C,H,W]: gamma, then beta.
  at::Tensor forward(const at::Tensor& style);

 private:
  torch::nn::Conv2d hidden_{nullptr}, affine_{nullptr};
};
TORCH_MODULE(SpadeModulation);

// Modules "norm" and "modulation".
class SpadeImpl : public torch::nn::Module {
 public:
  explicit SpadeImpl(const SpadeOptions& options);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& style);

 private:
  ModulatedNorm norm_{nullptr};
  SpadeModulation modulation_{nullptr};
};
TORCH_MODULE(Spade);

struct SpadeResBlockOptions {
  SpadeResBlockOptions(int64_t in_channels, int64_t out_channels,
                       int64_t style_channels)
      : in_channels_(in_channels),
        out_channels_(out_channels),
        style_channels_(style_channels) {}
  TORCH_ARG(int64_t, in_channels);
  TORCH_ARG(int64_t, out_channels);
  TORCH_ARG(int64_t, style_channels);
  TORCH_ARG(int64_t, hidden_channels) = 128;  // of each SPADE
};

// main:     SPADE, LReLU, conv 3x3 in -> mid, SPADE, LReLU, conv 3x3 mid -> out
//           with mid = min(in, out)
// shortcut: x where in = out, else SPADE, conv 3x3 in -> out
// y = main + shortcut: x [N,in,H,W], style [N,S,H,W] -> [N,out,H,W].
//
// The two SPADEs of x share one batch norm ("norm0"): without parameters it is
// the same function, with the same statistics, twice. Zero padding reaches
// max(b, 2) + 2 pixels into y where it has reached b into x and none into
// style. Modules "norm0", "modulation0", "conv0", "norm1", "modulation1",
// "conv1" and, where in != out, "modulation_shortcut", "conv_shortcut".
class SpadeResBlockImpl : public torch::nn::Module {
 public:
  explicit SpadeResBlockImpl(const SpadeResBlockOptions& options);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& style);

 private:
  ModulatedNorm norm0_{nullptr}, norm1_{nullptr};
  SpadeModulation modulation0_{nullptr}, modulation1_{nullptr},
      modulation_shortcut_{nullptr};
  torch::nn::Conv2d conv0_{nullptr}, conv1_{nullptr}, conv_shortcut_{nullptr};
};
TORCH_MODULE(SpadeResBlock);

}  // namespace seg

#endif  // COMMON_LAYERS_CONDITIONAL_NORM_SPADE_H_
