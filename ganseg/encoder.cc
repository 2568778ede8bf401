#include "ganseg/encoder.h"

#include <ATen/ATen.h>

#include "common/backbones/imagenet.h"
#include "ganseg/heatmaps.h"

namespace seg {
namespace ganseg {
namespace {

constexpr char kResNet18[] = "resnet18", kTiny[] = "tiny";

}  // namespace

const std::vector<std::string>& CodeBackboneNames() {
  static const auto* const names =
      new std::vector<std::string>{kResNet18, kTiny};
  return *names;
}

CodeNetworkImpl::CodeNetworkImpl(const std::string& backbone, int64_t outputs)
    : torch::nn::Module("CodeNetwork") {
  if (backbone == kResNet18) {
    resnet_ = register_module("backbone",
                              ResNet(ResNetOptions(18).num_classes(outputs)));
    return;
  }
  TORCH_CHECK(backbone == kTiny, "CodeNetwork: backbone must be ", kResNet18,
              " or ", kTiny, ", got ", backbone);
  tiny_ = register_module("backbone", TinyBackbone());
  linear_ = register_module(
      "linear", torch::nn::Linear(tiny_->channels().back(), outputs));
}

at::Tensor CodeNetworkImpl::forward(const at::Tensor& images) {
  if (!resnet_.is_empty()) return resnet_->Classify(NormalizeImageNet(images));
  return linear_->forward(tiny_->forward(NormalizeSigned(images))
                              .back()
                              .mean(at::IntArrayRef({2, 3})));
}

EncoderImpl::EncoderImpl(const EncoderOptions& options,
                         const GeneratorOptions& generator)
    : torch::nn::Module("Encoder"), generator_(generator) {
  if (options.masks().has_value()) {
    TORCH_CHECK(options.masks()->num_classes() == generator.parts() + 1,
                "Encoder: masks must have ", generator.parts() + 1,
                " classes, got ", options.masks()->num_classes());
    masks_ = register_module("masks", DeepLabV3(*options.masks()));
  } else {
    points_ = register_module(
        "points",
        UNet(UNetOptions(options.widths(),
                         generator.parts() * generator.points_per_part())
                 .batch_norm(true)));
  }
  const auto codes = [&](const char* name, int64_t outputs) {
    return register_module(name, CodeNetwork(options.backbone(), outputs));
  };
  appearance_ = codes("appearance", generator.embedding_size());
  background_ = codes("background", generator.embedding_size() + 2);
}

Generated EncoderImpl::Reconstruct(Generator& generator,
                                   const at::Tensor& images) {
  const int64_t size = generator_.image_size();
  TORCH_CHECK(images.dim() == 4 && images.size(1) == 3 &&
                  images.size(2) == size && images.size(3) == size,
              "Encoder: images must be [N,3,", size, ",", size, "], got ",
              images.sizes());
  const int64_t style = generator_.embedding_size();
  Codes codes;
  codes.appearance = appearance_->forward(images);
  const at::Tensor background = background_->forward(images);
  codes.background = background.narrow(1, 0, style);
  codes.background_position = background.narrow(1, style, 2).tanh();
  if (generator_.background_vertical_fixed()) {
    codes.background_position =
        codes.background_position * at::tensor({0, 1}, images.options());
  }
  if (!masks_.is_empty()) {
    return generator->RenderMasks(at::softmax(masks_->forward(images), 1),
                                  codes);
  }
  const at::Tensor maps = points_->forward(NormalizeSigned(images));
  const at::Tensor places =
      maps.flatten(2).softmax(2).view({maps.size(0), maps.size(1), size, size});
  codes.points =
      MaskCentres(places, GridAxis(generator_.grid(), size, 0,
                                   places.options().requires_grad(false)));
  return generator->Render(codes);
}

}  // namespace ganseg
}  // namespace seg
