#include "common/layers/conditional_norm/adain.h"

#include <ATen/ATen.h>

#include "common/layers/conditional_norm/kaiming.h"
#include "common/layers/narrow_convolution/narrow_convolution.h"

namespace seg {

AdainImpl::AdainImpl(const AdainOptions& options) : torch::nn::Module("Adain") {
  TORCH_CHECK(options.channels() >= 1 && options.style_size() >= 1 &&
                  options.hidden_size() >= 1,
              "Adain: channels, style_size and hidden_size must be at least 1, "
              "got ",
              options.channels(), ", ", options.style_size(), " and ",
              options.hidden_size());
  norm_ = register_module("norm", ModulatedNorm(options.channels()));
  hidden_ = register_module(
      "hidden", torch::nn::Linear(options.style_size(), options.hidden_size()));
  affine_ = register_module(
      "affine",
      torch::nn::Linear(options.hidden_size(), 2 * options.channels()));
  InitializeKaiming(this);
}

at::Tensor AdainImpl::forward(const at::Tensor& x, const at::Tensor& style,
                              double slope) {
  at::Tensor h = hidden_->forward(style);
  const at::Tensor gamma_beta =
      affine_->forward(at::leaky_relu_(h, kLeakySlope));
  return norm_->forward(x, {{gamma_beta, slope}})[0];
}

AdainConvBlockImpl::AdainConvBlockImpl(const AdainConvBlockOptions& options)
    : torch::nn::Module("AdainConvBlock") {
  adain_ = register_module(
      "adain", Adain(AdainOptions(options.in_channels(), options.style_size())
                         .hidden_size(options.hidden_size())));
  conv_ = register_module(
      "conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(options.in_channels(),
                                                         options.out_channels(),
                                                         /*kernel_size=*/3)
                                    .padding(1)));
  InitializeKaiming(this);
}

at::Tensor AdainConvBlockImpl::forward(const at::Tensor& x,
                                       const at::Tensor& style) {
  return Convolution3x3(adain_->forward(x, style, kLeakySlope), conv_->weight,
                        conv_->bias);
}

}  // namespace seg
