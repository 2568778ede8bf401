#include "spn/refinement_head.h"

#include <ATen/ATen.h>

#include <cmath>

#include "common/backbones/unet.h"

namespace seg {
namespace spn {
namespace {

using Kind = RefinementHeadOptions::Kind;
using Form = RefinementHeadOptions::Form;

constexpr int64_t kExitChannels = 64;  // of the released models

}  // namespace

RefinementHeadImpl::RefinementHeadImpl(const RefinementHeadOptions& options)
    : options_(options) {
  const int64_t classes = options.num_classes();
  const int64_t channels = options.channels();
  TORCH_CHECK(classes >= 1 && channels >= 1 && options.units() >= 1,
              "RefinementHead: classes, channels and units must be >= 1, got ",
              classes, ", ", channels, " and ", options.units());
  const bool strided = options.form() != Form::kSupplement;
  // 4x4 with padding 1 halves an even side.
  entry_ = register_module("entry", strided ? MakeConv(classes, channels, 4, 2)
                                            : MakeConv(classes, channels));
  if (options.kind() == Kind::kPropagation) {
    propagation_ = register_module(
        "propagation", SpatialPropagationLayer(options.propagation()));
  } else {
    mix_ = register_module("mix",
                           MakeConv(channels + guidance_channels(), channels));
  }
  int64_t exit_channels = kExitChannels;
  if (options.form() == Form::kFaces) {
    exit_up_ = register_module(
        "exit_up", torch::nn::ConvTranspose2d(torch::nn::ConvTranspose2dOptions(
                                                  channels, exit_channels, 4)
                                                  .stride(2)
                                                  .padding(1)));
    const at::NoGradGuard no_grad;  // 2x2 of the 4x4 taps reach a pixel
    exit_up_->weight.normal_(
        0, std::sqrt(2.0 / (4.0 * static_cast<double>(channels))));
    exit_up_->bias.zero_();
  } else {
    if (options.form() == Form::kSupplement) exit_channels = channels;
    exit_ = register_module("exit", MakeConv(channels, exit_channels));
  }
  classifier_ = register_module("classifier", MakeConv(exit_channels, classes));
}

int64_t RefinementHeadImpl::guidance_channels() const {
  return SpatialPropagationGateChannels(options_.channels(),
                                        options_.propagation());
}

at::Tensor RefinementHeadImpl::forward(const at::Tensor& coarse,
                                       const at::Tensor& guidance) {
  TORCH_CHECK(coarse.dim() == 4 && coarse.size(1) == options_.num_classes(),
              "RefinementHead: coarse must be [N,", options_.num_classes(),
              ",H,W], got ", coarse.sizes());
  const int64_t height = coarse.size(2);
  const int64_t width = coarse.size(3);
  const int64_t inner_height = (height + 1) / 2;
  const int64_t inner_width = (width + 1) / 2;
  TORCH_CHECK(guidance.dim() == 4 && guidance.size(0) == coarse.size(0) &&
                  guidance.size(1) == guidance_channels() &&
                  guidance.size(2) == inner_height &&
                  guidance.size(3) == inner_width,
              "RefinementHead: guidance must be [", coarse.size(0), ",",
              guidance_channels(), ",", inner_height, ",", inner_width,
              "], got ", guidance.sizes());
  at::Tensor x = coarse.contiguous(at::MemoryFormat::ChannelsLast);
  if (options_.form() == Form::kSupplement) {
    x = ResizeTo(entry_->forward(x), inner_height, inner_width);
  } else {  // an odd side is made even by its last row or column
    x = entry_->forward(
        at::replication_pad2d(x, {0, width % 2, 0, height % 2}));
  }
  if (options_.kind() == Kind::kPropagation) {
    for (int64_t i = 0; i < options_.units(); ++i) {
      x = propagation_->forward(x, guidance);
    }
  } else {
    x = at::relu(mix_->forward(at::cat({x, guidance}, 1)));
  }
  if (options_.form() == Form::kFaces) {
    x = exit_up_->forward(x).narrow(2, 0, height).narrow(3, 0, width);
  } else {
    x = exit_->forward(ResizeTo(x, height, width));
  }
  return classifier_->forward(at::relu(x));
}

}  // namespace spn
}  // namespace seg
