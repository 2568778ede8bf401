// The smallest GANSeg, for tests: 32 pixels, two parts of two points.
#ifndef GANSEG_TINY_CONFIG_H_
#define GANSEG_TINY_CONFIG_H_

#include <string>
#include <vector>

#include "ganseg/config.h"

namespace seg {
namespace ganseg {

inline Config TinyConfig() {
  Config config;
  GeneratorConfig& generator = config.generator;
  generator.parts = 2;
  generator.points_per_part = 2;
  generator.noise_size = generator.mlp_width = 8;
  generator.embedding_size = generator.position_channels = 4;
  generator.spade_hidden = generator.adain_hidden = 4;
  generator.block_sizes = {8, 16, 32};
  generator.margins = {7, 6, 4};
  generator.mask_channels = {4, 4};
  generator.foreground_channels = generator.background_channels = {4, 4, 4};
  generator.head = HeadType::kConv1x1;
  config.discriminator.channels = {4, 4};
  config.discriminator.fc_width = 8;
  config.segmenter.backbone = "tiny";
  config.segmenter.weights = "";
  config.segmenter.output_stride = 4;
  config.segmenter.rates = {1};
  config.segmenter.channels = 8;
  config.segmenter.batch_size = 2;
  config.gan_steps = 20;
  config.train.steps = 30;
  config.eval.samples = 4;
  return config;
}

// Overrides that make the parts of the demo's configuration as small.
inline std::vector<std::string> SmallOverrides() {
  return {"generator.parts=2",
          "generator.points_per_part=2",
          "generator.noise_size=8",
          "generator.mlp_width=8",
          "generator.spade_hidden=4",
          "generator.adain_hidden=4",
          "generator.mask_channels=[4,4]",
          "generator.foreground_channels=[4,4,4]",
          "generator.background_channels=[4,4,4]",
          "discriminator.channels=[4,4]",
          "discriminator.fc_width=8",
          "segmenter.channels=8",
          "segmenter.batch_size=2",
          "eval.samples=4"};
}

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_TINY_CONFIG_H_
