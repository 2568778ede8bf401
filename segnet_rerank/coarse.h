// From labels to coarse class distributions: the targets of SegNet and what its
// output is compared with (Cogswell et al. 2014; Sec. 3 of our fact sheet).
//
// The H x W pixels of a label map are split into grid x grid equal cells. 13
// does not divide the sides of images, so a pixel on a border counts in each
// cell with the part of its area that lies there. (adaptive_avg_pool2d does
// not: its windows are rounded outwards and overlap.) A map may be smaller than
// the grid: cells are parts of pixels then.
#ifndef SEGNET_RERANK_COARSE_H_
#define SEGNET_RERANK_COARSE_H_

#include <algorithm>
#include <cstdint>

#include "ATen/core/Tensor.h"

namespace seg {
namespace segnet_rerank {

// The shares of the classes in each cell, of the area that is not void: 1
// together, or all 0 in a cell that is all void.
//   labels: uint8 or int64 [N,H,W], any strides, H, W >= 1: 0 .. classes-1 or
//     ignore_label. On a CPU another value is an error that names it; on other
//     devices it counts as void.
//   classes, grid: >= 1
//   returns: float32 [N,classes,grid,grid], contiguous, on the device of
//     labels.
// That is what SoftCrossEntropySum, ExpectedIou and their kin take for target:
// such a cell has weight 1 in them or, all void, 0, however large the part of
// it that is valid.
//
// On a CPU areas are counted in whole numbers, of 1 / grid^2 pixels, so shares
// are exact but for their rounding to float, whatever the number of threads
// (they share the rows of cells). O(N H W): 30 labellings of 375 x 500 pixels
// take 4 ms on one thread, 20 ms if they are noise (coarse_benchmark).
at::Tensor ClassShares(const at::Tensor& labels, int64_t classes,
                       int64_t ignore_label, int64_t grid);

// The same from LibTorch's operators, on any device: what ClassShares does
// beyond the CPU. Takes the memory of classes float maps of the labels' size.
// The shares are those of ClassShares within 2e-6.
at::Tensor ClassSharesComposed(const at::Tensor& labels, int64_t classes,
                               int64_t ignore_label, int64_t grid);

// The pieces of the pixels begin .. end-1 of a side of `size` pixels, by cell:
// calls f(cell, length) in order, length in 1 / grid pixels. A whole cell is
// `size` long.
template <typename F>
void ForEachCell(int64_t begin, int64_t end, int64_t size, int64_t grid, F f) {
  int64_t at = begin * grid;
  while (at < end * grid) {
    const int64_t cell = at / size;
    const int64_t next = std::min((cell + 1) * size, end * grid);
    f(cell, next - at);
    at = next;
  }
}

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_COARSE_H_
