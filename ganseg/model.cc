#include "ganseg/model.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/backbones/unet.h"
#include "common/base/status_macros.h"

namespace seg {
namespace ganseg {
namespace {

DeepLabV3Options SegmenterOptions(const SegmenterConfig& config,
                                  int64_t parts) {
  return DeepLabV3Options(config.backbone, parts + 1)
      .output_stride(config.output_stride)
      .rates(config.rates)
      .channels(config.channels)
      .dropout(config.dropout);
}

EncoderOptions EncoderOf(const Config& config) {
  EncoderOptions options;
  options.widths(config.autoencoder.widths)
      .backbone(config.autoencoder.backbone);
  if (config.objective == Objective::kAutoencoderB) {
    options.masks(SegmenterOptions(config.segmenter, config.generator.parts));
  }
  return options;
}

absl::Status CheckStride(const SegmenterConfig& config) {
  const std::vector<int64_t> strides = DeepLabV3OutputStrides(config.backbone);
  if (std::count(strides.begin(), strides.end(), config.output_stride) > 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("segmenter.output_stride: must be ",
                   absl::StrJoin(strides.begin(), strides.end() - 1, ", "),
                   " or ", strides.back(), " for ", config.backbone, ", got ",
                   config.output_stride));
}

// The tensors of `module`, themselves and not copies, as buffers of a module of
// the same structure: they are saved and moved with it, and are no parameters.
std::shared_ptr<torch::nn::Module> AsBuffers(torch::nn::Module& module) {
  auto buffers = std::make_shared<torch::nn::Module>(module.name());
  for (const auto& item : module.named_parameters(/*recurse=*/false)) {
    at::Tensor tensor = item.value();
    buffers->register_buffer(item.key(), tensor.set_requires_grad(false));
  }
  for (const auto& item : module.named_buffers(/*recurse=*/false)) {
    buffers->register_buffer(item.key(), item.value());
  }
  for (const auto& item : module.named_children()) {
    buffers->register_module(item.key(), AsBuffers(*item.value()));
  }
  return buffers;
}

// to = d to + (1 - d) from; counters are copied.
void Blend(double d, const std::vector<at::Tensor>& from,
           const std::vector<at::Tensor>& to) {
  for (size_t i = 0; i < to.size(); ++i) {
    if (to[i].is_floating_point()) {
      to[i].lerp_(from[i], 1 - d);
    } else {
      to[i].copy_(from[i]);
    }
  }
}

}  // namespace

at::Tensor PartLabels(const at::Tensor& masks) {
  const int64_t parts = masks.size(1) - 1;
  return at::remainder(at::argmax(masks, 1) + 1, parts + 1);
}

at::Tensor ToColours(const at::Tensor& images) {
  return images * 127.5 + 127.5;
}

at::Tensor FromColours(const at::Tensor& colours) {
  return (colours - 127.5) / 127.5;
}

ModelImpl::ModelImpl(const Config& config) : decay_(config.generator_ema) {
  generator_ = register_module("generator", Generator(GeneratorOf(config)));
  if (decay_ > 0) {
    average_ = Generator(generator_->options());
    average_->eval();
    register_module("generator_ema", AsBuffers(*average_));
    AverageGenerator(0);
  }
  if (config.has_gan()) {
    discriminator_ = register_module(
        "discriminator",
        Discriminator(ToOptions(config.discriminator, image_size())));
  }
  if (config.has_segmenter()) {
    segmenter_ = register_module(
        "segmenter", DeepLabV3(SegmenterOptions(config.segmenter, parts())));
    segmenter_updates_ = register_buffer(
        "segmenter_updates", at::zeros({}, at::TensorOptions(at::kLong)));
  }
  if (config.has_encoder()) {
    encoder_ = register_module(
        "encoder", Encoder(EncoderOf(config), generator_->options()));
  }
}

int64_t ModelImpl::segmenter_updates() const {
  return has_segmenter() ? segmenter_updates_.item<int64_t>() : 0;
}

void ModelImpl::CountSegmenterUpdate() { segmenter_updates_.add_(1); }

c10::Device ModelImpl::device() const { return parameters()[0].device(); }

void ModelImpl::AverageGenerator(int64_t step) {
  if (average_.is_empty()) return;
  const at::NoGradGuard no_grad;
  const double t = static_cast<double>(step);
  const double d = step == 0 ? 0 : std::min(decay_, (1 + t) / (10 + t));
  Blend(d, generator_->parameters(), average_->parameters());
  Blend(d, generator_->buffers(), average_->buffers());
}

LabelledImages ModelImpl::Sample(int64_t count) {
  const at::NoGradGuard no_grad;
  const Generated generated =
      sampler()->forward(SampleLatents(count, generator_->options(), device()));
  return {ToColours(generated.images), PartLabels(generated.masks)};
}

Generated ModelImpl::Reconstruct(const at::Tensor& images) {
  return encoder_->Reconstruct(generator_, images);
}

at::Tensor ModelImpl::Segment(const at::Tensor& images) {
  if (has_encoder()) {
    const int64_t size = image_size();
    const at::Tensor masks = Reconstruct(ResizeTo(images, size, size)).masks;
    return ResizeTo(
        at::cat({masks.narrow(1, parts(), 1), masks.narrow(1, 0, parts())}, 1),
        images.size(2), images.size(3));
  }
  if (segmenter_updates() == 0) {
    at::Tensor background =
        at::zeros({images.size(0), parts() + 1, images.size(2), images.size(3)},
                  images.options());
    background.select(1, 0).fill_(1);
    return background;
  }
  return at::softmax(segmenter_->forward(images), 1);
}

absl::Status CheckNetworks(const Config& config) {
  if (config.has_encoder() && config.stage == Stage::kSegmenter) {
    return absl::InvalidArgumentError(
        "stage: segmenter learns from a GAN; an auto-encoder finds parts "
        "itself, set objective=adversarial or stage=all");
  }
  if (config.has_encoder() && config.generator_ema > 0) {
    return absl::InvalidArgumentError(
        "generator_ema: is of a GAN's generator; set it to 0 for an "
        "auto-encoder");
  }
  if (config.autoencoder.widths.empty()) {
    return absl::InvalidArgumentError(
        "autoencoder.widths: expected a width for each level, got none");
  }
  const GeneratorOptions generator = ToOptions(config.generator);
  SEG_RETURN_IF_ERROR(CheckOptions(generator));
  if (config.has_gan()) {
    SEG_RETURN_IF_ERROR(
        CheckOptions(ToOptions(config.discriminator, generator.image_size())));
  }
  if (config.has_segmenter() || config.objective == Objective::kAutoencoderB) {
    SEG_RETURN_IF_ERROR(CheckStride(config.segmenter));
  }
  return absl::OkStatus();
}

}  // namespace ganseg
}  // namespace seg
