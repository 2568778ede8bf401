// Where a number of a tap's matrix lies for the products on the tensor cores
// (include in a .cu only; internal).
//
// A product of a warp sums over eight labels_in and gives eight labels_out;
// which label is which of the eight is free, as long as rows, matrices and
// results agree. Here lane 4 g + k takes the labels 4k .. 4k+3 of a row's first
// 16, and 16 + 2k, 17 + 2k of the last eight, so that it reads a row with one
// vector of four numbers and one of two, and a row is read whole by four lanes;
// its results are the labels 4k .. 4k+3 and 16 + 2k, 17 + 2k likewise. Where
// there are eight labels, it takes 2k and 2k + 1.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_TAP_FRAGMENTS_CUDA_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_TAP_FRAGMENTS_CUDA_H_

#include <cstdint>

#include "common/cuda/kernel.h"

namespace seg {
namespace cuda {
namespace taps {

// Numbers of a lane: `steps` products along labels_in, `tiles` along labels_out
// and two of each; as vectors of four, which come first for all lanes, and one
// of two.
__host__ __device__ constexpr int FragmentNumbers(int steps, int tiles) {
  return 2 * steps * tiles;
}

// Where (row, column) of a tap's matrix lies in a filter of matrices of
// rows x columns, each 8 or a multiple of 24. A matrix is cut into blocks of 8
// or 24 rows and columns, block rows one behind the other.
__host__ __device__ inline int64_t FragmentPlace(int64_t rows, int64_t columns,
                                                 int64_t tap, int64_t row,
                                                 int64_t column) {
  const int steps = rows <= 8 ? 1 : 3;
  const int tiles = columns <= 8 ? 1 : 3;
  const int64_t block = (tap * (rows / (8 * steps)) + row / (8 * steps)) *
                            (columns / (8 * tiles)) +
                        column / (8 * tiles);
  const int i = static_cast<int>(row % (8 * steps));
  const int j = static_cast<int>(column % (8 * tiles));
  const bool first_rows = steps > 1 && i < 16;
  const int rest = steps > 1 ? i - 16 : i;
  const int k = first_rows ? i / 4 : rest / 2;
  const int step = first_rows ? i % 4 / 2 : steps - 1;
  const bool first_columns = tiles > 1 && j < 16;
  const int g = first_columns ? j / 2 : tiles > 1 ? j - 16 : j;
  const int tile = first_columns ? j % 2 : tiles - 1;
  const int lane = 4 * g + k;
  const int number = 2 * (step * tiles + tile) + i % 2;
  const int in_fours = FragmentNumbers(steps, tiles) / 4 * 4;
  return block * (64 * steps * tiles) +
         (number < in_fours ? (number / 4 * 32 + lane) * 4 + number % 4
                            : 32 * in_fours + 2 * lane + number - in_fours);
}

}  // namespace taps
}  // namespace cuda
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_TAP_FRAGMENTS_CUDA_H_
