// What a generator is built by (generator.h): options, their checks, costs.
#ifndef GANSEG_GENERATOR_OPTIONS_H_
#define GANSEG_GENERATOR_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "ganseg/geometry.h"
#include "ganseg/heatmaps.h"
#include "torch/arg.h"

namespace seg {
namespace ganseg {

// What makes colours of blended features.
enum class HeadType {
  kConv3x3,  // conv 3x3 C -> C, LReLU, conv 3x3 C -> 3: sees the image's border
  kConv1x1,  // conv 1x1 C -> 3
};

// Defaults are the 128-pixel CelebA model with 8 parts.
struct GeneratorOptions {
  TORCH_ARG(int64_t, parts) = 8;
  TORCH_ARG(int64_t, points_per_part) = 4;  // at least 2
  TORCH_ARG(int64_t, noise_size) = 256;
  TORCH_ARG(int64_t, mlp_width) = 256;
  TORCH_ARG(int64_t, embedding_size) = 64;      // of w_k, w_dynamic, w_bg
  TORCH_ARG(int64_t, position_channels) = 256;  // of C: PE has twice as many
  TORCH_ARG(int64_t, spade_hidden) = 128;
  TORCH_ARG(int64_t, adain_hidden) = 128;
  // One entry a block; the last is the image's size.
  TORCH_ARG(std::vector<int64_t>, block_sizes) = {32, 32, 64, 128};
  // One entry a level (MakeLevels).
  TORCH_ARG(std::vector<int64_t>, margins) = {10, 10, 10};
  // Refuse margins that let zero padding reach the image.
  TORCH_ARG(bool, check_margins) = true;
  // Output channels: mask blocks but the last, whose are parts + 1; all blocks
  // of foreground and background, which end with as many.
  TORCH_ARG(std::vector<int64_t>, mask_channels) = {64, 64, 64};
  TORCH_ARG(std::vector<int64_t>, foreground_channels) = {256, 128, 64, 64};
  TORCH_ARG(std::vector<int64_t>, background_channels) = {256, 128, 64, 64};
  TORCH_ARG(GridType, grid) = GridType::kPixelCentred;
  TORCH_ARG(HeatmapType, heatmap) = HeatmapType::kCone;
  // The same scale for all parts, instead of that of its points.
  TORCH_ARG(std::optional<double>, fixed_sigma) = std::nullopt;
  TORCH_ARG(HeadType, head) = HeadType::kConv3x3;
  // The background's position has row 0.
  TORCH_ARG(bool, background_vertical_fixed) = false;
  // points = tanh(MLP / this) (authors' code).
  TORCH_ARG(double, point_divisor) = 20;
  // Without them a generator has no networks of noise, and is given codes
  // (Render); or no mask blocks either, and is given masks (RenderMasks).
  TORCH_ARG(bool, has_noise) = true;
  TORCH_ARG(bool, has_masks) = true;

 public:
  int64_t image_size() const { return block_sizes_.back(); }

  // The released configurations.
  static GeneratorOptions CelebA();   // the defaults
  static GeneratorOptions Taichi();   // 10 parts, background at row 0
  static GeneratorOptions Cub();      // six blocks
  static GeneratorOptions Flowers();  // six blocks, 1x1 head
  // 32 pixels, 4 parts, 0.053 G multiply-adds: trains on a CPU.
  // configs/demo.yaml has half the position channels.
  static GeneratorOptions Demo();
};

// InvalidArgument for options that no generator has; one line that names the
// option, what it is and what it must be.
absl::Status CheckOptions(const GeneratorOptions& options);

// Of its blocks. Throws c10::Error where CheckOptions objects.
std::vector<Level> LevelsOf(const GeneratorOptions& options);

// Output channels of all blocks of the mask generator: mask_channels, and parts
// + 1 of the last.
std::vector<int64_t> MaskChannels(const GeneratorOptions& options);

// Multiply-adds of one image's forward pass: those of the convolutions, the
// 1x1 convolutions of the embeddings as if of maps of differences, as the
// literature counts.
int64_t MultiplyAdds(const GeneratorOptions& options);

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_GENERATOR_OPTIONS_H_
