#include "common/layers/conditional_norm/spade.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/layers/conditional_norm/kaiming.h"
#include "common/layers/narrow_convolution/narrow_convolution.h"

namespace seg {
namespace {

torch::nn::Conv2d MakeConv3x3(int64_t in, int64_t out) {
  return torch::nn::Conv2d(
      torch::nn::Conv2dOptions(in, out, /*kernel_size=*/3).padding(1));
}

void CheckOptions(const SpadeOptions& options) {
  TORCH_CHECK(options.channels() >= 1 && options.style_channels() >= 1 &&
                  options.hidden_channels() >= 1,
              "Spade: channels, style_channels and hidden_channels must be at "
              "least 1, got ",
              options.channels(), ", ", options.style_channels(), " and ",
              options.hidden_channels());
}

at::Tensor Convolve(const torch::nn::Conv2d& conv, const at::Tensor& x,
                    double slope = 1) {
  return Convolution3x3(x, conv->weight, conv->bias, slope);
}

}  // namespace

SpadeModulationImpl::SpadeModulationImpl(const SpadeOptions& options)
    : torch::nn::Module("SpadeModulation") {
  CheckOptions(options);
  hidden_ = register_module("hidden", MakeConv3x3(options.style_channels(),
                                                  options.hidden_channels()));
  affine_ = register_module(
      "affine", MakeConv3x3(options.hidden_channels(), 2 * options.channels()));
  InitializeKaiming(this);
}

at::Tensor SpadeModulationImpl::forward(const at::Tensor& style) {
  return Convolve(affine_, Convolve(hidden_, style, kLeakySlope));
}

SpadeImpl::SpadeImpl(const SpadeOptions& options) : torch::nn::Module("Spade") {
  CheckOptions(options);
  norm_ = register_module("norm", ModulatedNorm(options.channels()));
  modulation_ = register_module("modulation", SpadeModulation(options));
}

at::Tensor SpadeImpl::forward(const at::Tensor& x, const at::Tensor& style) {
  return norm_->forward(x, {{modulation_->forward(style)}})[0];
}

SpadeResBlockImpl::SpadeResBlockImpl(const SpadeResBlockOptions& options)
    : torch::nn::Module("SpadeResBlock") {
  const int64_t in = options.in_channels(), out = options.out_channels();
  const int64_t mid = std::min(in, out);
  const auto modulation = [&](const char* name, int64_t channels) {
    return register_module(
        name, SpadeModulation(SpadeOptions(channels, options.style_channels())
                                  .hidden_channels(options.hidden_channels())));
  };
  norm0_ = register_module("norm0", ModulatedNorm(in));
  modulation0_ = modulation("modulation0", in);
  conv0_ = register_module("conv0", MakeConv3x3(in, mid));
  norm1_ = register_module("norm1", ModulatedNorm(mid));
  modulation1_ = modulation("modulation1", mid);
  conv1_ = register_module("conv1", MakeConv3x3(mid, out));
  if (in != out) {
    modulation_shortcut_ = modulation("modulation_shortcut", in);
    conv_shortcut_ = register_module("conv_shortcut", MakeConv3x3(in, out));
  }
  InitializeKaiming(this);
}

at::Tensor SpadeResBlockImpl::forward(const at::Tensor& x,
                                      const at::Tensor& style) {
  std::vector<Modulation> of_x = {{modulation0_->forward(style), kLeakySlope}};
  if (!conv_shortcut_.is_empty()) {
    of_x.push_back({modulation_shortcut_->forward(style)});
  }
  const std::vector<at::Tensor> normal = norm0_->forward(x, of_x);
  const at::Tensor middle =
      norm1_->forward(Convolve(conv0_, normal[0]),
                      {{modulation1_->forward(style), kLeakySlope}})[0];
  at::Tensor y = Convolve(conv1_, middle);
  return y.add_(
      conv_shortcut_.is_empty() ? x : Convolve(conv_shortcut_, normal[1]));
}

}  // namespace seg
