#include "ganseg/config.h"

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "common/backbones/deeplab_v3.h"
#include "ganseg/encoder.h"

namespace seg {
namespace ganseg {

SEG_DEFINE_ENUM(Stage, {Stage::kAll, "all"}, {Stage::kGan, "gan"},
                {Stage::kSegmenter, "segmenter"})
SEG_DEFINE_ENUM(Objective, {Objective::kAdversarial, "adversarial"},
                {Objective::kAutoencoderA, "autoencoder_a"},
                {Objective::kAutoencoderB, "autoencoder_b"})
SEG_DEFINE_ENUM(GridType, {GridType::kPixelCentred, "pixel_centred"},
                {GridType::kEndpoint, "endpoint"})
SEG_DEFINE_ENUM(HeatmapType, {HeatmapType::kGaussian, "gaussian"},
                {HeatmapType::kCone, "cone"})
SEG_DEFINE_ENUM(HeadType, {HeadType::kConv3x3, "conv3x3"},
                {HeadType::kConv1x1, "conv1x1"})
SEG_DEFINE_ENUM(Rule, {Rule::kNone, "none"},
                {Rule::kArticulated, "articulated"})
SEG_DEFINE_ENUM(Swap, {Swap::kNone, "none"}, {Swap::kAppearance, "appearance"},
                {Swap::kBackground, "background"})

SEG_DEFINE_CONFIG(GeneratorConfig, parts, points_per_part, noise_size,
                  mlp_width, embedding_size, position_channels, spade_hidden,
                  adain_hidden, block_sizes, margins, check_margins,
                  mask_channels, foreground_channels, background_channels, grid,
                  heatmap, fixed_sigma, head, background_vertical_fixed,
                  point_divisor)
SEG_DEFINE_CONFIG(DiscriminatorConfig, channels, fc_width, lr)
SEG_DEFINE_CONFIG(LossConfig, gradient_penalty, gradient_penalty_target,
                  gradient_penalty_every, concentration, area, shape_every)
SEG_DEFINE_CONFIG(SegmenterConfig, backbone, weights, output_stride, rates,
                  channels, dropout, batch_size, dice, optimizer)
SEG_DEFINE_CONFIG(AutoencoderConfig, widths, backbone)
SEG_DEFINE_CONFIG(GansegEvalConfig, classes, samples, seed, rule, frechet,
                  inception, tsne, eyes, landmark_split, landmark_frame)
SEG_DEFINE_CONFIG(SampleConfig, rows, columns, move_part, swap, spread)
SEG_DEFINE_CONFIG(Config, SEG_PAPER_KEYS, stage, objective, gan_steps,
                  generator, generator_ema, discriminator, loss, segmenter,
                  autoencoder, eval, sample)

SegmenterConfig::SegmenterConfig() {
  optimizer.type = OptimizerType::kAdam;
  optimizer.lr = 3e-4;
}

Config::Config() {
  train.steps = 40000;  // 10,000 of them the segmenter's
  train.batch_size = 64;
  train.optimizer.type = OptimizerType::kAdam;
  train.optimizer.lr = 1e-4;
  train.optimizer.beta1 = 0.5;
  train.optimizer.beta2 = 0.9;
  train.best_metric = "";  // the last: nothing of the data chooses
  train.log_every = 25;    // odd: no line would meet a lazy term of the losses
  data.augment.flip = true;
}

std::vector<KeyRule> Config::Rules() {
  std::vector<KeyRule> rules = {
      OneOf<Stage>("stage"),
      OneOf<Objective>("objective"),
      {"gan_steps", 1, 1e12},
      {"generator.parts", 1, 254},
      {"generator.points_per_part", 2, 1000},
      {"generator.noise_size", 1, 65536},
      {"generator.mlp_width", 1, 65536},
      {"generator.embedding_size", 1, 65536},
      {"generator.position_channels", 1, 65536},
      {"generator.spade_hidden", 1, 65536},
      {"generator.adain_hidden", 1, 65536},
      {"generator.block_sizes", 1, 4096},
      {"generator.margins", 0, 4096},
      {"generator.mask_channels", 1, 65536},
      {"generator.foreground_channels", 1, 65536},
      {"generator.background_channels", 1, 65536},
      OneOf<GridType>("generator.grid"),
      OneOf<HeatmapType>("generator.heatmap"),
      {"generator.fixed_sigma", 0, 4},
      OneOf<HeadType>("generator.head"),
      {"generator.point_divisor", 1e-3, 1e6},
      {"generator_ema", 0, 0.999999},
      {"discriminator.channels", 1, 65536},
      {"discriminator.fc_width", 1, 65536},
      {"discriminator.lr", 1e-6, 1e6},
      {"loss.gradient_penalty", 0, 1e6},
      {"loss.gradient_penalty_target", 0, 1e6},
      {"loss.gradient_penalty_every", 1, 1e9},
      {"loss.concentration", 0, 1e6},
      {"loss.area", 0, 1e6},
      {"loss.shape_every", 1, 1e9},
      OneOf("segmenter.backbone", DeepLabV3BackboneNames()),
      {"segmenter.output_stride", 2, 32},
      {"segmenter.rates", 1, 4096},
      {"segmenter.channels", 1, 65536},
      {"segmenter.dropout", 0, 0.99},
      {"segmenter.batch_size", 2, 65536},
      {"segmenter.dice", 0, 1},
      {"autoencoder.widths", 1, 65536},
      OneOf("autoencoder.backbone", CodeBackboneNames()),
      {"eval.samples", 2, 1e6},
      {"eval.seed", 0, 1e18},
      OneOf<Rule>("eval.rule"),
      {"eval.eyes", 0, 1000},
      {"eval.landmark_frame", 0, 65536},
      {"sample.rows", 1, 1000},
      {"sample.columns", 1, 1000},
      {"sample.move_part", 0, 254},
      OneOf<Swap>("sample.swap"),
      {"sample.spread", 0.01, 100},
  };
  AddRules("segmenter.optimizer", OptimizerConfig::Rules(), &rules);
  return PaperRules(std::move(rules));
}

int64_t Config::FirstSegmenterStep() const {
  if (has_encoder()) return std::numeric_limits<int64_t>::max();
  switch (stage) {
    case Stage::kAll:
      return gan_steps;
    case Stage::kGan:
      return std::numeric_limits<int64_t>::max();
    case Stage::kSegmenter:
      return 0;
  }
  return 0;  // not reached
}

GeneratorOptions ToOptions(const GeneratorConfig& config) {
  GeneratorOptions options;
  options.parts(config.parts)
      .points_per_part(config.points_per_part)
      .noise_size(config.noise_size)
      .mlp_width(config.mlp_width)
      .embedding_size(config.embedding_size)
      .position_channels(config.position_channels)
      .spade_hidden(config.spade_hidden)
      .adain_hidden(config.adain_hidden)
      .block_sizes(config.block_sizes)
      .margins(config.margins)
      .check_margins(config.check_margins)
      .mask_channels(config.mask_channels)
      .foreground_channels(config.foreground_channels)
      .background_channels(config.background_channels)
      .grid(config.grid)
      .heatmap(config.heatmap)
      .head(config.head)
      .background_vertical_fixed(config.background_vertical_fixed)
      .point_divisor(config.point_divisor);
  if (config.fixed_sigma > 0) options.fixed_sigma(config.fixed_sigma);
  return options;
}

GeneratorOptions GeneratorOf(const Config& config) {
  return ToOptions(config.generator)
      .has_noise(!config.has_encoder())
      .has_masks(config.objective != Objective::kAutoencoderB);
}

DiscriminatorOptions ToOptions(const DiscriminatorConfig& config,
                               int64_t image_size) {
  return DiscriminatorOptions()
      .channels(config.channels)
      .fc_width(config.fc_width)
      .image_size(image_size);
}

}  // namespace ganseg
}  // namespace seg
