#include "ganseg/generator.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <string>
#include <utility>

#include "common/layers/conditional_norm/kaiming.h"
#include "common/layers/narrow_convolution/narrow_convolution.h"

namespace seg {
namespace ganseg {
namespace {

using torch::nn::Conv2d;
using torch::nn::Conv2dOptions;

// Hidden layers of the networks of points, and of appearance and background
// (released code).
constexpr int64_t kPointLayers = 4, kCodeLayers = 3;
constexpr int64_t kColours = 3;

Conv2d MakeConv(int64_t in, int64_t out, int64_t kernel) {
  return Conv2d(Conv2dOptions(in, out, kernel).padding((kernel - 1) / 2));
}

// x [N,C,H,W] -> softmax over C, in channels-last order.
at::Tensor PixelSoftmax(const at::Tensor& x) {
  return x.permute({0, 2, 3, 1}).contiguous().softmax(3).permute({0, 3, 1, 2});
}

// Runs the blocks of all levels from x at the first one; `block` gets the
// number of the block, the level and x.
template <typename Block>
at::Tensor RunLevels(const std::vector<Level>& levels, at::Tensor x,
                     const Block& block) {
  size_t index = 0;
  for (size_t l = 0; l < levels.size(); ++l) {
    x = block(index, levels[l], x);
    index += static_cast<size_t>(levels[l].blocks);
    x = l + 1 < levels.size()
            ? UpsampleAndCrop(x, levels[l].margin, levels[l + 1].margin)
            : Crop(x, levels[l].margin);
  }
  return x;
}

}  // namespace

Latents SampleLatents(int64_t batch, const GeneratorOptions& options,
                      at::Device device) {
  const at::TensorOptions type = at::dtype(at::kFloat).device(device);
  const auto noise = [&] {
    return at::randn({batch, options.noise_size()}, type);
  };
  Latents latents;
  latents.points_noise = noise();
  latents.appearance_noise = noise();
  latents.background_noise = noise();
  latents.background_position = at::rand({batch, 2}, type).mul_(2).sub_(1);
  if (options.background_vertical_fixed()) {
    latents.background_position.select(1, 0).zero_();
  }
  return latents;
}

MlpImpl::MlpImpl(int64_t in, int64_t width, int64_t hidden_layers,
                 int64_t out) {
  for (int64_t i = 0; i <= hidden_layers; ++i) {
    layers_.push_back(
        register_module("linear" + std::to_string(i),
                        torch::nn::Linear(i == 0 ? in : width,
                                          i == hidden_layers ? out : width)));
  }
}

at::Tensor MlpImpl::forward(const at::Tensor& x) {
  at::Tensor y = x;
  for (size_t i = 0; i + 1 < layers_.size(); ++i) {
    y = layers_[i]->forward(y);
    at::leaky_relu_(y, kLeakySlope);
  }
  return layers_.back()->forward(y);
}

PositionalEmbeddingImpl::PositionalEmbeddingImpl(int64_t points,
                                                 int64_t channels) {
  projection_ =
      register_module("projection", MakeConv(2 * points, channels, 1));
}

// C (x_1 - p, ..., x_m - p) + b = (C x + b) - (sum of C over the points) p. The
// cosines are sines, a quarter of a turn on.
at::Tensor PositionalEmbeddingImpl::forward(const at::Tensor& points,
                                            const at::Tensor& axis) {
  const at::Tensor weight = projection_->weight.flatten(1) * M_PI;  // [C,2m]
  const int64_t channels = weight.size(0);
  TORCH_CHECK(points.dim() == 3 && 2 * points.size(1) == weight.size(1) &&
                  points.size(2) == 2,
              "PositionalEmbedding: points must be [N,", weight.size(1) / 2,
              ",2], got ", points.sizes());
  const at::Tensor slope = weight.view({channels, -1, 2}).sum(1);  // [C,2]
  at::Tensor phase =
      at::addmm(projection_->bias * M_PI, points.flatten(1), weight.t());
  phase = at::cat({phase, phase + M_PI / 2}, 1);  // [N,2C]
  const at::Tensor both = slope.repeat({2, 1});   // [2C,2]
  const at::Tensor pixel = axis.unsqueeze(1);
  const at::Tensor rows = phase.unsqueeze(1) - pixel * both.select(1, 0);
  const at::Tensor columns = pixel * both.select(1, 1);  // [S,2C]
  return (rows.unsqueeze(2) - columns).sin().permute({0, 3, 1, 2});
}

GeneratorImpl::GeneratorImpl(const GeneratorOptions& options)
    : torch::nn::Module("Generator"),
      options_(options),
      levels_(LevelsOf(options)) {
  const int64_t parts = options.parts();
  const int64_t points = parts * options.points_per_part();
  const int64_t style = options.embedding_size();
  const auto mlp = [&](const char* name, int64_t layers, int64_t out) {
    return register_module(
        name, Mlp(options.noise_size(), options.mlp_width(), layers, out));
  };
  if (options.has_noise()) {
    point_mlp_ = mlp("point_mlp", kPointLayers, 2 * points);
    appearance_mlp_ = mlp("appearance_mlp", kCodeLayers, style);
    background_mlp_ = mlp("background_mlp", kCodeLayers, style);
  }

  const auto embedding = [&](const char* name, int64_t count) {
    return register_module(
        name, PositionalEmbedding(count, options.position_channels()));
  };
  const auto spade_blocks = [&](const char* name,
                                const std::vector<int64_t>& channels) {
    std::vector<SpadeResBlock> blocks;
    int64_t in = 2 * options.position_channels();
    for (size_t i = 0; i < channels.size(); ++i) {
      blocks.push_back(register_module(
          name + std::to_string(i),
          SpadeResBlock(SpadeResBlockOptions(in, channels[i], style)
                            .hidden_channels(options.spade_hidden()))));
      in = channels[i];
    }
    return blocks;
  };
  if (options.has_masks()) {
    mask_embedding_ = embedding("mask_embedding", points);
    mask_blocks_ = spade_blocks("mask_block", MaskChannels(options));
  }
  foreground_embedding_ = embedding("foreground_embedding", parts);
  foreground_blocks_ =
      spade_blocks("foreground_block", options.foreground_channels());
  background_embedding_ = embedding("background_embedding", 1);
  int64_t in = 2 * options.position_channels();
  for (size_t i = 0; i < options.background_channels().size(); ++i) {
    const int64_t out = options.background_channels()[i];
    background_blocks_.push_back(register_module(
        "background_block" + std::to_string(i),
        AdainConvBlock(AdainConvBlockOptions(in, out, style)
                           .hidden_size(options.adain_hidden()))));
    in = out;
  }
  if (options.head() == HeadType::kConv3x3) {
    head0_ = register_module("head0", MakeConv(in, in, 3));
    head1_ = register_module("head1", MakeConv(in, kColours, 3));
  } else {
    head0_ = register_module("head0", MakeConv(in, kColours, 1));
  }
  InitializeKaiming(this);
  part_embedding_ =
      register_parameter("part_embedding", at::randn({parts, style}));
}

Codes GeneratorImpl::Embed(const Latents& latents) {
  TORCH_CHECK(options_.has_noise(), "Generator: has no networks of noise");
  Codes codes;
  codes.points =
      (point_mlp_->forward(latents.points_noise) / options_.point_divisor())
          .tanh_()
          .view({latents.points_noise.size(0),
                 options_.parts() * options_.points_per_part(), 2});
  codes.appearance = appearance_mlp_->forward(latents.appearance_noise);
  codes.background = background_mlp_->forward(latents.background_noise);
  codes.background_position = latents.background_position;
  return codes;
}

at::Tensor GeneratorImpl::Axis(const Level& level) const {
  return GridAxis(options_.grid(), level.size, level.margin,
                  part_embedding_.options().requires_grad(false));
}

at::Tensor GeneratorImpl::Masks(const Generated& parts) {
  const at::Tensor x = mask_embedding_->forward(parts.points, Axis(levels_[0]));
  const auto blocks = [&](size_t first, const Level& level, at::Tensor y) {
    const at::Tensor style = StyleMap(
        Heatmaps(options_.heatmap(), parts.centres, parts.scales, Axis(level)),
        parts.part_embeddings);
    for (int64_t i = 0; i < level.blocks; ++i) {
      y = mask_blocks_[first + i]->forward(y, style);
    }
    return y;
  };
  return PixelSoftmax(RunLevels(levels_, x, blocks));
}

at::Tensor GeneratorImpl::Foreground(const Generated& parts) {
  const at::Tensor x =
      foreground_embedding_->forward(parts.centres, Axis(levels_[0]));
  const at::Tensor masks = parts.masks.narrow(1, 0, options_.parts());
  const auto blocks = [&](size_t first, const Level& level, at::Tensor y) {
    const at::Tensor style =
        StyleMap(ResizeAndPad(masks, level), parts.part_embeddings);
    for (int64_t i = 0; i < level.blocks; ++i) {
      y = foreground_blocks_[first + i]->forward(y, style);
    }
    return y;
  };
  return RunLevels(levels_, x, blocks);
}

at::Tensor GeneratorImpl::Background(const Codes& codes) {
  const at::Tensor x = background_embedding_->forward(
      codes.background_position.unsqueeze(1), Axis(levels_[0]));
  const auto blocks = [&](size_t first, const Level& level, at::Tensor y) {
    for (int64_t i = 0; i < level.blocks; ++i) {
      y = background_blocks_[first + i]->forward(y, codes.background);
    }
    return y;
  };
  return RunLevels(levels_, x, blocks);
}

void GeneratorImpl::CheckStyles(const Codes& codes, int64_t images) const {
  const std::pair<const char*, const at::Tensor&> embeddings[] = {
      {"appearance", codes.appearance}, {"background", codes.background}};
  for (const auto& [name, value] : embeddings) {
    TORCH_CHECK(
        value.sizes() == at::IntArrayRef({images, options_.embedding_size()}),
        "Generator: ", name, " must be [", images, ",",
        options_.embedding_size(), "], got ", value.sizes());
  }
  TORCH_CHECK(codes.background_position.sizes() == at::IntArrayRef({images, 2}),
              "Generator: background_position must be [", images, ",2], got ",
              codes.background_position.sizes());
}

Generated GeneratorImpl::Render(const Codes& codes) {
  const int64_t parts = options_.parts();
  TORCH_CHECK(options_.has_masks(), "Generator: has no blocks of masks");
  TORCH_CHECK(codes.points.dim() == 3 &&
                  codes.points.size(1) == parts * options_.points_per_part() &&
                  codes.points.size(2) == 2,
              "Generator: points must be [N,", parts, "*",
              options_.points_per_part(), ",2], got ", codes.points.sizes());
  CheckStyles(codes, codes.points.size(0));
  Generated out;
  out.points = codes.points;
  out.centres = PartCentres(codes.points, parts);
  out.scales = PartScales(options_.heatmap(), options_.fixed_sigma(),
                          codes.points, parts);
  out.part_embeddings = part_embedding_ * codes.appearance.unsqueeze(1);
  out.masks = Masks(out);
  return Draw(codes, std::move(out));
}

Generated GeneratorImpl::RenderMasks(const at::Tensor& masks,
                                     const Codes& codes) {
  const int64_t parts = options_.parts(), size = options_.image_size();
  TORCH_CHECK(masks.dim() == 4 && masks.size(1) == parts + 1 &&
                  masks.size(2) == size && masks.size(3) == size,
              "Generator: masks must be [N,", parts + 1, ",", size, ",", size,
              "], got ", masks.sizes());
  CheckStyles(codes, masks.size(0));
  Generated out;
  out.masks = masks;
  out.centres = MaskCentres(masks.narrow(1, 0, parts), Axis({size, 0, 0}));
  out.points = out.centres;
  out.scales =
      at::zeros({masks.size(0), parts}, masks.options().requires_grad(false));
  out.part_embeddings = part_embedding_ * codes.appearance.unsqueeze(1);
  return Draw(codes, std::move(out));
}

Generated GeneratorImpl::Draw(const Codes& codes, Generated out) {
  out.background_embedding = codes.background;
  out.foreground = Foreground(out);
  out.background = Background(codes);
  // (1 - m) f + m b.
  const at::ScalarType type = out.foreground.scalar_type();
  at::Tensor y = at::lerp(out.foreground, out.background.to(type),
                          out.masks.narrow(1, options_.parts(), 1).to(type));
  at::leaky_relu_(y, kLeakySlope);
  if (head1_.is_empty()) {
    y = head0_->forward(y);
  } else {
    y = Convolution3x3(y, head0_->weight, head0_->bias, kLeakySlope);
    y = Convolution3x3(y, head1_->weight, head1_->bias);
  }
  out.images = y.tanh_();
  return out;
}

}  // namespace ganseg
}  // namespace seg
