#include "common/backbones/fcn8s_head.h"

#include <string>

#include "ATen/ATen.h"

namespace seg {
namespace {

// Small, so that training starts near the loss of equal scores even on features
// without a final batch norm scale (those of EfficientNet-Lite reach 30).
constexpr double kInitialDeviation = 0.01;

at::Tensor Upsample(const at::Tensor& x, int64_t height, int64_t width) {
  if (x.size(2) == height && x.size(3) == width) return x;
  return at::upsample_bilinear2d(x, {height, width}, /*align_corners=*/false);
}

}  // namespace

Fcn8sHeadImpl::Fcn8sHeadImpl(const Fcn8sHeadOptions& options)
    : torch::nn::Module("Fcn8sHead") {
  TORCH_CHECK(!options.in_channels().empty(),
              "Fcn8sHead: in_channels must name at least one level");
  TORCH_CHECK(options.num_classes() >= 1,
              "Fcn8sHead: num_classes must be >= 1, got ",
              options.num_classes());
  const at::NoGradGuard no_grad;
  for (const int64_t in : options.in_channels()) {
    torch::nn::Conv2d score(
        torch::nn::Conv2dOptions(in, options.num_classes(), 1));
    score->weight.normal_(0, kInitialDeviation);
    score->bias.zero_();
    scores_.push_back(
        register_module("score" + std::to_string(scores_.size()), score));
  }
}

at::Tensor Fcn8sHeadImpl::forward(const std::vector<at::Tensor>& features,
                                  int64_t height, int64_t width) {
  TORCH_CHECK(features.size() == scores_.size(), "Fcn8sHead: features must be ",
              scores_.size(), " levels, got ", features.size());
  at::Tensor sum;
  for (size_t i = scores_.size(); i-- > 0;) {
    // NCHW from here on: with few classes the channels_last resizing kernel
    // has too few lanes to fill.
    at::Tensor score = scores_[i](features[i]).contiguous();
    sum = sum.defined() ? Upsample(sum, score.size(2), score.size(3)) + score
                        : score;
  }
  return Upsample(sum, height, width);
}

}  // namespace seg
