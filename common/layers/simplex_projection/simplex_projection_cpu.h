// CPU core of the simplex projection: raw pointers and sizes, one thread, no
// tensor library. See simplex_projection.h for the definition.

#ifndef COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_PROJECTION_CPU_H_
#define COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_PROJECTION_CPU_H_

#include <cstdint>

#include "common/layers/simplex_projection/simplex_projection_view.h"

namespace seg {

// Work is split in blocks of pixels of one image; blocks are independent, so
// any split of [0, SimplexBlocks(sizes)) over threads gives the same result.
int64_t SimplexBlocks(const SimplexSizes& sizes);

// y = projection of x - step * gradient for the blocks [begin, end).
// `gradient.data` may be null: y = projection of x. y may not overlap x.
template <typename T>
void SimplexForward(const SimplexSizes& sizes, const SimplexView<const T>& x,
                    const SimplexView<const T>& gradient, T step, T leak,
                    const SimplexView<T>& y, int64_t begin, int64_t end);

// r = J^T g for the blocks [begin, end), J the Jacobian of the projection whose
// output was y.
template <typename T>
void SimplexBackward(const SimplexSizes& sizes, const SimplexView<const T>& y,
                     const SimplexView<const T>& g, T leak,
                     const SimplexView<T>& r, int64_t begin, int64_t end);

}  // namespace seg

#endif  // COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_PROJECTION_CPU_H_
