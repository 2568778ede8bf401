// Pixel grids, margins and upsampling of the generator.
//
// Maps are square and have a margin on every side that is cropped away in the
// end, so that zero padding, which tells where the border is, does not reach
// the image. Coordinates are (row, column), -1 .. 1 over the image (without
// the margin). (He et al. 2022, supplement A; the recursion is ours.)
#ifndef GANSEG_GEOMETRY_H_
#define GANSEG_GEOMETRY_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace seg {
namespace ganseg {

// kPixelCentred: pixel i of N lies at (2 i + 1) / N - 1. A pixel of one level
// is
//   then exactly two of the next, and the generator commutes with shifts by
//   pixels of its smallest level.
// kEndpoint: at 2 i / (N - 1) - 1, as in the released code; only nearly so.
enum class GridType { kPixelCentred, kEndpoint };

// Coordinates along either axis of the pixels -margin .. size + margin - 1:
// [size + 2 margin] of the type and device of `options`. size >= 2 (kEndpoint)
// or 1, margin >= 0.
at::Tensor GridAxis(GridType grid, int64_t size, int64_t margin,
                    const at::TensorOptions& options);

// Consecutive blocks of one size.
struct Level {
  int64_t size;    // without margin
  int64_t margin;  // pixels on each side
  int64_t blocks;
  int64_t padded() const { return size + 2 * margin; }
};

// The levels of blocks of these sizes: {32,32,64,128} and {10,10,10} give
// (32, 10, 2), (64, 10, 1), (128, 10, 1). InvalidArgument unless every size is
// its predecessor or twice that, there is a margin >= 0 for each level, and
// none is more than twice its predecessor (there would be nothing to crop).
absl::StatusOr<std::vector<Level>> MakeLevels(
    const std::vector<int64_t>& block_sizes,
    const std::vector<int64_t>& margins);

// What a block does to a border of b spoiled pixels.
enum class BlockType {
  kSpade,  // SpadeResBlock: max(b, 2) + 2
  kAdain,  // AdainConvBlock: b + 1
};

// The smallest margins with which zero padding does not reach the image. Each
// is needed whatever the others are, and together they suffice. With b spoiled
// pixels at a level of margin m, upsampling and cropping to margin m' leaves
// max(0, 2 b + 1 - (2 m - m')); the last b must be at most its margin.
// {8,16,32} of kSpade: {7,6,4}; {32,32,64,128}: {9,6,4}. block_sizes as for
// MakeLevels.
std::vector<int64_t> SmallestMargins(const std::vector<int64_t>& block_sizes,
                                     BlockType type);

// InvalidArgument where MakeLevels or SmallestMargins object, with the level,
// its margin and the one needed.
absl::Status CheckMargins(const std::vector<int64_t>& block_sizes,
                          const std::vector<int64_t>& margins, BlockType type);

// x [N,C,S,S] with S = size + 2 margin -> [N,C,2 size + 2 next_margin, same]:
// bilinear, twice as large (align_corners = false), then cropped by
// 2 margin - next_margin >= 0 on every side. Pixels that are cropped are not
// computed, but for two on each side.
at::Tensor UpsampleAndCrop(const at::Tensor& x, int64_t margin,
                           int64_t next_margin);

// The middle of x [N,C,S,S]: [N,C,S - 2 margin, same], a view.
at::Tensor Crop(const at::Tensor& x, int64_t margin);

// Masks [N,C,S,S] as a style for a level: resized bilinearly (align_corners =
// false) to size x size and padded by copies of the border to its margin.
at::Tensor ResizeAndPad(const at::Tensor& masks, const Level& level);

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_GEOMETRY_H_
