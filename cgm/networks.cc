#include "cgm/networks.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace seg {
namespace cgm {
namespace {

using torch::nn::Conv2d;
using torch::nn::Conv2dOptions;

Conv2d MakeConv(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1) {
  return Conv2d(
      Conv2dOptions(in, out, kernel).stride(stride).padding((kernel - 1) / 2));
}

ZeroUnpoolConv2d MakeUnpool(const NetworkOptions& options, int64_t in,
                            int64_t out, int64_t kernel) {
  return ZeroUnpoolConv2d(
      ZeroUnpoolConv2dOptions(in, out, kernel).fused(options.fused()));
}

// Convolutions do not need their output for the gradient, so ReLU works in
// place.
at::Tensor Relu(at::Tensor x) { return at::relu_(x); }

// ReLU after pooling: the same numbers on a quarter of the map.
at::Tensor PoolRelu(const at::Tensor& x) {
  return Relu(at::max_pool2d(x, 2, 2));
}

class Widths {
 public:
  explicit Widths(double factor) : factor_(factor) {}
  int64_t operator()(int64_t channels) const {
    return std::max<int64_t>(
        1, std::llround(factor_ * static_cast<double>(channels)));
  }

 private:
  double factor_;
};

}  // namespace

CnnImpl::CnnImpl(const NetworkOptions& options)
    : multi_scale_(options.multi_scale()), noisy_(options.noisy()) {
  const Widths w(options.width());
  const int64_t classes = options.classes();
  conv1_ = register_module("conv1", MakeConv(3, w(64), 9, 2));
  conv2_ = register_module("conv2", MakeConv(w(64), w(96), 5));
  conv3_ = register_module("conv3", MakeConv(w(96), w(128), 3));
  if (noisy_) {
    noise4_ = register_module(
        "noise4", GaussianHead(GaussianHeadOptions(w(128), w(128), 3)));
  } else {
    conv4_ = register_module("conv4", MakeConv(w(128), w(128), 3));
  }
  conv5_ = register_module("conv5", MakeConv(w(128), w(96), 3));
  conv6_ = register_module("conv6", MakeUnpool(options, w(96), w(64), 5));
  conv7_ = register_module("conv7", MakeUnpool(options, w(64), w(48), 5));
  head_ = register_module("head", MakeUnpool(options, w(48), classes, 9));
  if (multi_scale_) {
    head_quarter_ =
        register_module("head_quarter", MakeUnpool(options, w(96), classes, 3));
    head_half_ =
        register_module("head_half", MakeUnpool(options, w(64), classes, 5));
  }
}

CnnScores CnnImpl::forward(const at::Tensor& x, bool low_resolution) {
  at::Tensor y = PoolRelu(conv1_->forward(x));
  y = PoolRelu(conv2_->forward(y));
  y = Relu(conv3_->forward(y));
  if (noisy_ && is_training()) {
    const DiagonalGaussian layer = noise4_->forward(y);
    y = SampleGaussian(layer, at::randn_like(layer.mean));
  } else if (noisy_) {
    y = noise4_->Mean(y);
  } else {
    y = Relu(conv4_->forward(y));
  }
  CnnScores scores;
  y = Relu(conv5_->forward(y));
  if (low_resolution && multi_scale_) {
    scores.quarter = head_quarter_->forward(y);
  }
  y = Relu(conv6_->forward(y));
  if (low_resolution && multi_scale_) scores.half = head_half_->forward(y);
  scores.full = Classify(Relu(conv7_->forward(y)));
  return scores;
}

at::Tensor CnnImpl::Classify(const at::Tensor& features) {
  return head_->forward(features);
}

EncoderImpl::EncoderImpl(const NetworkOptions& options) {
  const Widths w(options.width());
  conv1_ =
      register_module("conv1", MakeConv(3 + options.classes(), w(64), 9, 2));
  conv2_ = register_module("conv2", MakeConv(w(64), w(96), 5));
  conv3_ = register_module("conv3", MakeConv(w(96), w(128), 3));
  latent_ = register_module(
      "latent",
      GaussianHead(GaussianHeadOptions(w(128), options.latent_channels(), 3)));
}

DiagonalGaussian EncoderImpl::forward(const at::Tensor& x,
                                      const at::Tensor& labels) {
  at::Tensor y = at::cat({x, labels}, 1);
  y = PoolRelu(conv1_->forward(y.contiguous(at::MemoryFormat::ChannelsLast)));
  y = PoolRelu(conv2_->forward(y));
  y = PoolRelu(conv3_->forward(y));
  return latent_->forward(y);
}

GeneratorImpl::GeneratorImpl(const NetworkOptions& options) {
  const Widths w(options.width());
  conv1_ =
      register_module("conv1", MakeConv(options.latent_channels(), w(96), 3));
  conv2_ = register_module("conv2", MakeUnpool(options, w(96), w(64), 5));
  conv3_ = register_module("conv3", MakeUnpool(options, w(64), w(48), 5));
  conv4_ = register_module("conv4", MakeUnpool(options, w(48), w(48), 5));
  if (options.head()) {
    head_ = register_module("head",
                            MakeUnpool(options, w(48), options.classes(), 9));
  }
}

at::Tensor GeneratorImpl::Features(const at::Tensor& z) {
  at::Tensor y =
      Relu(conv1_->forward(z.contiguous(at::MemoryFormat::ChannelsLast)));
  y = Relu(conv2_->forward(y));
  y = Relu(conv3_->forward(y));
  return Relu(conv4_->forward(y));
}

at::Tensor GeneratorImpl::forward(const at::Tensor& z) {
  TORCH_CHECK(!head_.is_empty(), "Generator: has no classifier of its own");
  return head_->forward(Features(z));
}

void Initialize(torch::nn::Module* module) {
  const at::NoGradGuard no_grad;
  for (auto& item : module->named_parameters()) {
    at::Tensor& value = item.value();
    if (item.key().find("log_variance") != std::string::npos) {
      value.zero_();
    } else if (value.dim() == 4) {
      const int64_t fan_in = value.size(1) * value.size(2) * value.size(3);
      value.normal_(0, 1 / std::sqrt(static_cast<double>(fan_in)));
    } else {
      value.normal_(0, 0.01);
    }
  }
}

}  // namespace cgm
}  // namespace seg
