#include "common/layers/conditional_norm/kaiming.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <cmath>

namespace seg {
namespace {

void Start(double slope, at::Tensor& weight, at::Tensor& bias) {
  const double fan_in = static_cast<double>(weight[0].numel());
  weight.normal_(0, std::sqrt(2 / ((1 + slope * slope) * fan_in)));
  if (bias.defined()) bias.zero_();
}

}  // namespace

void InitializeKaiming(torch::nn::Module* module, double slope) {
  const at::NoGradGuard no_grad;
  module->apply([slope](torch::nn::Module& part) {
    if (auto* conv = part.as<torch::nn::Conv2dImpl>()) {
      Start(slope, conv->weight, conv->bias);
    } else if (auto* linear = part.as<torch::nn::LinearImpl>()) {
      Start(slope, linear->weight, linear->bias);
    }
  });
}

}  // namespace seg
