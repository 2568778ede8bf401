#include "ganseg/geometry.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"

namespace seg {
namespace ganseg {
namespace {

// Blocks of each size in turn.
std::vector<Level> GroupBlocks(const std::vector<int64_t>& block_sizes) {
  std::vector<Level> levels;
  for (const int64_t size : block_sizes) {
    if (levels.empty() || levels.back().size != size) {
      levels.push_back({size, 0, 0});
    }
    ++levels.back().blocks;
  }
  return levels;
}

}  // namespace

at::Tensor GridAxis(GridType grid, int64_t size, int64_t margin,
                    const at::TensorOptions& options) {
  const int64_t least = grid == GridType::kEndpoint ? 2 : 1;
  TORCH_CHECK(size >= least, "GridAxis: size must be at least ", least,
              ", got ", size);
  TORCH_CHECK(margin >= 0, "GridAxis: margin must not be negative, got ",
              margin);
  const at::Tensor pixel =
      at::arange(-margin, size + margin, options.dtype(at::kDouble));
  const at::Tensor axis = grid == GridType::kPixelCentred
                              ? (2 * pixel + 1) / size - 1
                              : 2 * pixel / (size - 1) - 1;
  return axis.to(options);
}

absl::StatusOr<std::vector<Level>> MakeLevels(
    const std::vector<int64_t>& block_sizes,
    const std::vector<int64_t>& margins) {
  if (block_sizes.empty()) {
    return absl::InvalidArgumentError(
        "block_sizes: expected the size of at least one block, got none");
  }
  std::vector<Level> levels = GroupBlocks(block_sizes);
  if (levels[0].size < 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        "block_sizes: sizes must be at least 2, got ", levels[0].size));
  }
  for (size_t l = 1; l < levels.size(); ++l) {
    if (levels[l].size != 2 * levels[l - 1].size) {
      return absl::InvalidArgumentError(absl::StrCat(
          "block_sizes: each must equal the one before or be twice as large, "
          "got ",
          levels[l].size, " after ", levels[l - 1].size));
    }
  }
  if (margins.size() != levels.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("margins: expected one for each of the ", levels.size(),
                     " sizes in block_sizes, got ", margins.size()));
  }
  for (size_t l = 0; l < levels.size(); ++l) {
    const int64_t margin = margins[l];
    if (margin < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("margins: level ", l, " (", levels[l].size,
                       " pixels) has ", margin, ", must not be negative"));
    }
    if (l > 0 && margin > 2 * margins[l - 1]) {
      return absl::InvalidArgumentError(absl::StrCat(
          "margins: level ", l, " (", levels[l].size, " pixels) has ", margin,
          ", at most ", 2 * margins[l - 1],
          " can be kept of the level before, whose margin is ",
          margins[l - 1]));
    }
    levels[l].margin = margin;
  }
  return levels;
}

// Let s be the spoiled border after the blocks of a level of margin m, and
// d = s - m. With first + each n for n blocks on a clean map, the next level
// has
//   s' = max(0, 2 s + 1 - (2 m - m'), first) + each n'
//   d' = max(first + each n' - m', 2 d + 1 + each n')      (s' >= 0 drops out)
// so that d = 0 at the last level bounds d at those before.
std::vector<int64_t> SmallestMargins(const std::vector<int64_t>& block_sizes,
                                     BlockType type) {
  const int64_t first = type == BlockType::kSpade ? 2 : 0;
  const int64_t each = type == BlockType::kSpade ? 2 : 1;
  const std::vector<Level> levels = GroupBlocks(block_sizes);
  std::vector<int64_t> margins(levels.size());
  int64_t beyond = 0;  // -d: pixels of the margin that must stay clean
  for (size_t l = levels.size(); l-- > 0;) {
    const int64_t spoiled = each * levels[l].blocks;
    margins[l] = first + spoiled + beyond;
    beyond = (beyond + 2 + spoiled) / 2;  // ceil((beyond + 1 + spoiled) / 2)
  }
  return margins;
}

absl::Status CheckMargins(const std::vector<int64_t>& block_sizes,
                          const std::vector<int64_t>& margins, BlockType type) {
  SEG_ASSIGN_OR_RETURN(const std::vector<Level> levels,
                       MakeLevels(block_sizes, margins));
  const std::vector<int64_t> needed = SmallestMargins(block_sizes, type);
  for (size_t l = 0; l < levels.size(); ++l) {
    if (margins[l] < needed[l]) {
      return absl::InvalidArgumentError(
          absl::StrCat("margins: level ", l, " (", levels[l].size,
                       " pixels) has ", margins[l], ", at least ", needed[l],
                       " is needed, else zero padding reaches the image (",
                       absl::StrJoin(needed, ", "), " suffice)"));
    }
  }
  return absl::OkStatus();
}

at::Tensor UpsampleAndCrop(const at::Tensor& x, int64_t margin,
                           int64_t next_margin) {
  TORCH_CHECK(x.dim() == 4 && x.size(2) == x.size(3) && x.size(2) > 2 * margin,
              "UpsampleAndCrop: x must be [N,C,S,S] with S larger than two "
              "margins of ",
              margin, ", got ", x.sizes());
  const int64_t crop = 2 * margin - next_margin;
  TORCH_CHECK(margin >= 0 && next_margin >= 0 && crop >= 0,
              "UpsampleAndCrop: next_margin must be 0 to twice margin, got ",
              next_margin, " and margin ", margin);
  // Output pixel 2 i mixes inputs i - 1 and i, 2 i + 1 mixes i and i + 1.
  const int64_t unused = std::max<int64_t>(0, (crop - 1) / 2);
  const at::Tensor middle = Crop(x, unused);
  const int64_t size = 2 * middle.size(2);
  return Crop(at::upsample_bilinear2d(middle, {size, size},
                                      /*align_corners=*/false),
              crop - 2 * unused);
}

at::Tensor Crop(const at::Tensor& x, int64_t margin) {
  if (margin == 0) return x;
  return x.slice(2, margin, x.size(2) - margin)
      .slice(3, margin, x.size(3) - margin);
}

at::Tensor ResizeAndPad(const at::Tensor& masks, const Level& level) {
  at::Tensor y = masks;
  if (masks.size(2) != level.size) {
    y = at::upsample_bilinear2d(masks, {level.size, level.size},
                                /*align_corners=*/false);
  }
  const int64_t m = level.margin;
  return m == 0 ? y : at::replication_pad2d(y, {m, m, m, m});
}

}  // namespace ganseg
}  // namespace seg
