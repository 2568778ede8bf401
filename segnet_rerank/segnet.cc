#include "segnet_rerank/segnet.h"

#include <ATen/ATen.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/backbones/imagenet.h"
#include "common/backbones/pretrained.h"
#include "common/base/usage_error.h"

namespace seg {
namespace segnet_rerank {

SEG_DEFINE_ENUM(Trunk, {Trunk::kEfficientNetLite0, "efficientnet_lite0"},
                {Trunk::kCaffeNet, "caffenet"}, {Trunk::kTiny, "tiny"})
SEG_DEFINE_CONFIG(SegNetConfig, trunk, weights, freeze_trunk, grid, width,
                  kernel, dropout)

namespace {

constexpr int64_t kLiteStride = 16;
constexpr int64_t kTinyStride = 8;
constexpr int64_t kCaffeNetStride = 16;
constexpr int64_t kCaffeNetBorder = 19;  // 227 pixels give 13 cells

// k x k with the padding that keeps the size.
torch::nn::Conv2d MakeConv(int64_t in, int64_t out, int64_t kernel) {
  return torch::nn::Conv2d(
      torch::nn::Conv2dOptions(in, out, kernel).padding(kernel / 2));
}

}  // namespace

std::vector<KeyRule> SegNetConfig::Rules() {
  return {OneOf<Trunk>("trunk"),
          {"grid", 1, 1024},
          {"width", 1, 65536},
          {"kernel", 1, 99},
          {"dropout", 0, 0.99}};
}

absl::Status CheckConfig(const SegNetConfig& config) {
  if (config.kernel % 2 == 0) {
    return UsageError(absl::InvalidArgumentError(absl::StrCat(
        "segnet.kernel: expected an odd number, got ", config.kernel)));
  }
  return absl::OkStatus();
}

SegNetImpl::SegNetImpl(const SegNetConfig& config, int64_t classes)
    : torch::nn::Module("SegNet"),
      config_(config),
      classes_(classes),
      frozen_(TrunkIsFrozen(config)) {
  TORCH_CHECK(classes >= 1, "SegNet: classes must be >= 1, got ", classes);
  TORCH_CHECK(config.grid >= 1, "SegNet: grid must be >= 1, got ", config.grid);
  TORCH_CHECK(config.width >= 1, "SegNet: width must be >= 1, got ",
              config.width);
  TORCH_CHECK(config.kernel >= 1 && config.kernel % 2 == 1,
              "SegNet: kernel must be odd, got ", config.kernel);
  TORCH_CHECK(config.dropout >= 0 && config.dropout < 1,
              "SegNet: dropout must be in [0,1), got ", config.dropout);
  switch (config.trunk) {
    case Trunk::kEfficientNetLite0:
      lite_ = register_module(
          "trunk", EfficientNetLite(
                       EfficientNetLiteOptions(0).output_stride(kLiteStride)));
      trunk_ = lite_.ptr();
      input_size_ = kLiteStride * config.grid;
      feature_channels_ = lite_->channels().back();
      break;
    case Trunk::kCaffeNet:
      caffenet_ = register_module("trunk", CaffeNet());
      trunk_ = caffenet_.ptr();
      input_size_ = kCaffeNetStride * config.grid + kCaffeNetBorder;
      feature_channels_ = CaffeNetImpl::kChannels;
      break;
    case Trunk::kTiny:
      tiny_ = register_module("trunk", TinyBackbone(kTinyStride));
      trunk_ = tiny_.ptr();
      input_size_ = kTinyStride * config.grid;
      feature_channels_ = tiny_->channels().back();
      break;
  }
  if (frozen_) {
    trunk_->eval();
    for (at::Tensor& parameter : trunk_->parameters()) {
      parameter.set_requires_grad(false);
    }
  }

  const int64_t width = config.width, kernel = config.kernel;
  conv6_ = register_module("conv6", MakeConv(feature_channels_, width, kernel));
  conv7_ = register_module("conv7", MakeConv(width, width, kernel));
  conv8_ = register_module("conv8", MakeConv(width, classes, kernel));
  const at::NoGradGuard no_grad;
  for (torch::nn::Conv2d conv : {conv6_, conv7_}) {
    const double fan_in = static_cast<double>(conv->weight[0].numel());
    conv->weight.normal_(0, std::sqrt(2.0 / fan_in));
    conv->bias.zero_();
  }
  conv8_->weight.normal_(0, 0.01);  // Caffe's own for last layers
  conv8_->bias.zero_();
}

at::Tensor SegNetImpl::RunTrunk(const at::Tensor& images) {
  const bool same =
      images.size(2) == input_size_ && images.size(3) == input_size_;
  const at::Tensor x =
      same ? images
           : at::_upsample_bilinear2d_aa(images, {input_size_, input_size_},
                                         /*align_corners=*/false);
  if (!caffenet_.is_empty()) return caffenet_(NormalizeCaffe(x));
  const at::Tensor normalised = NormalizeSigned(x);
  return lite_.is_empty() ? tiny_(normalised).back() : lite_(normalised).back();
}

at::Tensor SegNetImpl::Features(const at::Tensor& images) {
  TORCH_CHECK(images.dim() == 4 && images.size(1) == 3,
              "SegNet: images must be [N,3,H,W], got ", images.sizes());
  TORCH_CHECK(images.is_floating_point(),
              "SegNet: images must be floating point (RGB in 0..255), got ",
              images.scalar_type());
  TORCH_CHECK(images.size(2) > 0 && images.size(3) > 0,
              "SegNet: images must not be empty in H or W, got ",
              images.sizes());
  if (!frozen_) return RunTrunk(images.detach());
  const at::NoGradGuard no_grad;
  return RunTrunk(images);
}

at::MemoryFormat SegNetImpl::feature_layout() const {
  return lite_.is_empty() ? at::MemoryFormat::Contiguous
                          : at::MemoryFormat::ChannelsLast;
}

at::Tensor SegNetImpl::FromFeatures(const at::Tensor& map) {
  TORCH_CHECK(map.dim() == 4 && map.size(1) == feature_channels_,
              "SegNet: map must be [N,", feature_channels_, ",h,w], got ",
              map.sizes());
  const auto dropped = [&](const at::Tensor& x) {
    return at::dropout(x, config_.dropout, is_training());
  };
  at::Tensor h = conv6_(dropped(map)).relu_();
  h = conv7_(dropped(h)).relu_();
  return conv8_(dropped(h)).contiguous();
}

at::Tensor SegNetImpl::forward(const at::Tensor& images) {
  return FromFeatures(Features(images));
}

void SegNetImpl::train(bool on) {
  torch::nn::Module::train(on);
  if (frozen_) trunk_->eval();
}

std::vector<at::Tensor> SegNetImpl::head_parameters() const {
  return {conv6_->weight, conv6_->bias,   conv7_->weight,
          conv7_->bias,   conv8_->weight, conv8_->bias};
}

std::vector<at::Tensor> SegNetImpl::trunk_parameters() const {
  return frozen_ ? std::vector<at::Tensor>() : trunk_->parameters();
}

absl::Status LoadTrunk(SegNet* net) {
  SegNetImpl& impl = **net;
  const std::string& weights = impl.config_.weights;
  if (!impl.lite_.is_empty()) return LoadPretrained(weights, &impl.lite_);
  if (!impl.caffenet_.is_empty()) {
    return LoadPretrained(weights, &impl.caffenet_);
  }
  if (weights.empty()) return absl::OkStatus();
  return UsageError(absl::InvalidArgumentError(absl::StrCat(
      "weights: the trunk tiny starts at random and expects \"\", got \"",
      weights, "\"")));
}

}  // namespace segnet_rerank
}  // namespace seg
