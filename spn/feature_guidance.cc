#include "spn/feature_guidance.h"

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "common/backbones/unet.h"

namespace seg {
namespace spn {

FeatureGuidanceImpl::FeatureGuidanceImpl(const std::string& backbone,
                                         int64_t out_channels, bool output_norm,
                                         double gate_scale)
    : pyramid_(backbone) {
  register_module("pyramid", pyramid_);
  const std::vector<int64_t>& channels = pyramid_->channels();
  int64_t in = channels[4];
  deepest_ = register_module("deepest", MakeConv(in, in, 1));
  for (int64_t i = 3; i >= 1; --i) {
    decoder_.push_back(
        register_module(absl::StrCat("decoder", i), MakeConv(in, channels[i])));
    in = channels[i];
  }
  output_ = register_module(
      "output", MakeConv(in, out_channels, 3, 1, /*bias=*/!output_norm));
  if (output_norm) {
    output_norm_ =
        register_module("output_norm", torch::nn::BatchNorm2d(out_channels));
  }
  ScaleLast(gate_scale, &output_, &output_norm_);
}

at::Tensor FeatureGuidanceImpl::forward(const at::Tensor& images) {
  const std::vector<at::Tensor> maps = pyramid_->forward(images);
  at::Tensor y = at::relu(deepest_->forward(maps[4]));
  for (size_t k = 0; k < decoder_.size(); ++k) {
    const at::Tensor& skip = maps[3 - k];
    y = decoder_[k]->forward(ResizeTo(y, skip.size(2), skip.size(3)));
    y = (k + 1 == decoder_.size() ? at::elu(y) : at::relu(y)) + skip;
  }
  y = output_->forward(
      ResizeTo(y, (images.size(2) + 1) / 2, (images.size(3) + 1) / 2));
  return output_norm_.is_empty() ? y : output_norm_->forward(y);
}

std::vector<at::Tensor> FeatureGuidanceImpl::backbone_parameters() const {
  return pyramid_->parameters();
}

std::vector<at::Tensor> FeatureGuidanceImpl::decoder_parameters() const {
  std::vector<at::Tensor> out;
  for (const auto& [name, parameter] : named_parameters().pairs()) {
    if (name.rfind("pyramid.", 0) != 0) out.push_back(parameter);
  }
  return out;
}

}  // namespace spn
}  // namespace seg
