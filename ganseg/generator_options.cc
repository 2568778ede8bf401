#include "ganseg/generator_options.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace seg {
namespace ganseg {
namespace {

constexpr int64_t kColours = 3;

absl::Status CheckPositive(absl::string_view name, int64_t value,
                           int64_t least = 1) {
  if (value >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": must be at least ", least, ", got ", value));
}

absl::Status CheckChannels(absl::string_view name,
                           const std::vector<int64_t>& channels,
                           size_t expected) {
  if (channels.size() != expected) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, ": expected ", expected,
        " entries for the blocks of block_sizes, got ", channels.size()));
  }
  for (const int64_t c : channels) {
    if (absl::Status s = CheckPositive(name, c); !s.ok()) return s;
  }
  return absl::OkStatus();
}

}  // namespace

GeneratorOptions GeneratorOptions::CelebA() { return GeneratorOptions(); }

GeneratorOptions GeneratorOptions::Taichi() {
  return GeneratorOptions().parts(10).background_vertical_fixed(true);
}

GeneratorOptions GeneratorOptions::Cub() {
  return GeneratorOptions()
      .block_sizes({32, 32, 64, 64, 128, 128})
      .mask_channels({64, 64, 64, 64, 64})
      .foreground_channels({256, 256, 128, 128, 64, 64})
      .background_channels({256, 256, 128, 128, 64, 64});
}

GeneratorOptions GeneratorOptions::Flowers() {
  return Cub().head(HeadType::kConv1x1);
}

GeneratorOptions GeneratorOptions::Demo() {
  return GeneratorOptions()
      .parts(4)
      .noise_size(64)
      .mlp_width(64)
      .embedding_size(8)
      .position_channels(16)
      .spade_hidden(8)
      .adain_hidden(16)
      .block_sizes({8, 16, 32})
      .margins({7, 6, 4})
      .mask_channels({8, 8})
      .foreground_channels({16, 8, 8})
      .background_channels({16, 8, 8})
      .head(HeadType::kConv1x1);
}

absl::Status CheckOptions(const GeneratorOptions& options) {
  const std::pair<const char*, int64_t> sizes[] = {
      {"parts", options.parts()},
      {"noise_size", options.noise_size()},
      {"mlp_width", options.mlp_width()},
      {"embedding_size", options.embedding_size()},
      {"position_channels", options.position_channels()},
      {"spade_hidden", options.spade_hidden()},
      {"adain_hidden", options.adain_hidden()},
  };
  for (const auto& [name, value] : sizes) {
    if (absl::Status s = CheckPositive(name, value); !s.ok()) return s;
  }
  // The scale of one point is undefined.
  if (absl::Status s =
          CheckPositive("points_per_part", options.points_per_part(), 2);
      !s.ok()) {
    return s;
  }
  if (!(options.point_divisor() > 0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "point_divisor: must be positive, got ", options.point_divisor()));
  }
  if (options.fixed_sigma().has_value() && !(*options.fixed_sigma() > 0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "fixed_sigma: must be positive, got ", *options.fixed_sigma()));
  }
  if (absl::Status s =
          MakeLevels(options.block_sizes(), options.margins()).status();
      !s.ok()) {
    return s;
  }
  if (options.check_margins()) {
    // The blocks of masks and foreground; those of the background need less.
    if (absl::Status s = CheckMargins(options.block_sizes(), options.margins(),
                                      BlockType::kSpade);
        !s.ok()) {
      return s;
    }
  }
  const size_t blocks = options.block_sizes().size();
  if (absl::Status s =
          CheckChannels("mask_channels", options.mask_channels(), blocks - 1);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = CheckChannels("foreground_channels",
                                     options.foreground_channels(), blocks);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = CheckChannels("background_channels",
                                     options.background_channels(), blocks);
      !s.ok()) {
    return s;
  }
  if (options.foreground_channels().back() !=
      options.background_channels().back()) {
    return absl::InvalidArgumentError(
        absl::StrCat("background_channels: must end with ",
                     options.foreground_channels().back(),
                     ", as foreground_channels does, got ",
                     options.background_channels().back()));
  }
  return absl::OkStatus();
}

std::vector<Level> LevelsOf(const GeneratorOptions& options) {
  const absl::Status status = CheckOptions(options);
  TORCH_CHECK(status.ok(), "Generator: ", std::string(status.message()));
  return *MakeLevels(options.block_sizes(), options.margins());
}

std::vector<int64_t> MaskChannels(const GeneratorOptions& options) {
  std::vector<int64_t> channels = options.mask_channels();
  channels.push_back(options.parts() + 1);
  return channels;
}

int64_t MultiplyAdds(const GeneratorOptions& options) {
  const std::vector<Level> levels = LevelsOf(options);
  int64_t total = 0;
  const auto conv = [&](int64_t in, int64_t out, int64_t kernel, int64_t size) {
    total += in * out * kernel * kernel * size * size;
  };
  std::vector<int64_t> padded;  // one entry a block
  for (const Level& level : levels) {
    padded.insert(padded.end(), static_cast<size_t>(level.blocks),
                  level.padded());
  }
  const int64_t style = options.embedding_size();
  const int64_t hidden = options.spade_hidden();
  const int64_t position = options.position_channels();
  const auto spade = [&](int64_t channels, int64_t size) {
    conv(style, hidden, 3, size);
    conv(hidden, 2 * channels, 3, size);
  };
  const auto spade_blocks = [&](const std::vector<int64_t>& channels) {
    int64_t in = 2 * position;
    for (size_t i = 0; i < channels.size(); ++i) {
      const int64_t out = channels[i], mid = std::min(in, out);
      spade(in, padded[i]);
      conv(in, mid, 3, padded[i]);
      spade(mid, padded[i]);
      conv(mid, out, 3, padded[i]);
      if (in != out) {
        spade(in, padded[i]);
        conv(in, out, 3, padded[i]);
      }
      in = out;
    }
  };
  const int64_t parts = options.parts();
  conv(2 * parts * options.points_per_part(), position, 1, padded[0]);
  spade_blocks(MaskChannels(options));
  conv(2 * parts, position, 1, padded[0]);
  spade_blocks(options.foreground_channels());
  conv(2, position, 1, padded[0]);
  int64_t in = 2 * position;
  for (size_t i = 0; i < options.background_channels().size(); ++i) {
    conv(in, options.background_channels()[i], 3, padded[i]);
    in = options.background_channels()[i];
  }
  if (options.head() == HeadType::kConv3x3) {
    conv(in, in, 3, options.image_size());
    conv(in, kColours, 3, options.image_size());
  } else {
    conv(in, kColours, 1, options.image_size());
  }
  return total;
}

}  // namespace ganseg
}  // namespace seg
