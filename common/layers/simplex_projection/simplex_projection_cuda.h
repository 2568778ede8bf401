// CUDA core of the simplex projection: raw device pointers and sizes, no tensor
// library. See simplex_projection.h for the definition; results are those of
// the CPU core, bit for bit where that has fused multiply-adds.
//
// Up to 32 labels are in registers, so memory bound there; more labels are
// walked in memory (L1 and L2) once a round. A thread has two adjacent pixels
// (float; four of up to four labels) where number, strides and addresses are
// multiples of that, else one. No shared memory, no atomic: deterministic.
// Pixels should be adjacent (pixel_stride 1) or their labels; other strides are
// right and slow.
#ifndef COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_PROJECTION_CUDA_H_
#define COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_PROJECTION_CUDA_H_

#include "common/cuda/runtime.h"
#include "common/layers/simplex_projection/simplex_projection_view.h"

namespace seg {

// y = projection of x - step * gradient; of x where gradient.data is null. y
// may not overlap the others. T = float or double.
template <typename T>
cudaError_t SimplexForwardCuda(const SimplexSizes& sizes,
                               const SimplexView<const T>& x,
                               const SimplexView<const T>& gradient, T step,
                               T leak, const SimplexView<T>& y,
                               cudaStream_t stream);

// r = J^T g, J the Jacobian of the projection whose output was y.
template <typename T>
cudaError_t SimplexBackwardCuda(const SimplexSizes& sizes,
                                const SimplexView<const T>& y,
                                const SimplexView<const T>& g, T leak,
                                const SimplexView<T>& r, cudaStream_t stream);

}  // namespace seg

#endif  // COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_PROJECTION_CUDA_H_
