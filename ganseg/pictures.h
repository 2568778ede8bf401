// Grids of generated pictures with their masks and points.
#ifndef GANSEG_PICTURES_H_
#define GANSEG_PICTURES_H_

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "ganseg/generator.h"

namespace seg {
namespace ganseg {

struct GridOptions {
  int64_t columns = 8;
  // Pictures are enlarged by a whole factor to about this many pixels a side.
  int64_t cell = 96;
};

// The pictures side by side, `columns` in a row, two pixels of white between
// them: uint8 [3,H,W] on the CPU.
at::Tensor ImageGrid(const Generated& generated, const GridOptions& options);
// The same with each part's pixels in its colour (opacity 0.5, as in the paper;
// the background is left as it is) and its points as crosses.
at::Tensor PartGrid(const Generated& generated, const GridOptions& options);

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_PICTURES_H_
