// The passes by type, each in a .cu file of its own. For
// spatial_propagation_cuda.cu only.

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_KERNELS_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_KERNELS_H_

#include "common/cuda/runtime.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_plan.h"

namespace seg {
namespace spatial_propagation_cuda {

// All designs but kSteps. (float, float), (float, __nv_bfloat16), and
// (double, double), which has kGlobal alone.
template <typename T, typename G>
cudaError_t RunForward(const Problem<T, G>& problem, const Layout& layout,
                       const SpatialPropagationShape& shape,
                       cudaStream_t stream);
template <typename T, typename G>
cudaError_t RunBackward(const Problem<T, G>& problem, const Layout& layout,
                        const SpatialPropagationShape& shape,
                        cudaStream_t stream);

// kSteps.
template <typename T, typename G>
cudaError_t RunForwardSteps(const Problem<T, G>& problem,
                            const SpatialPropagationShape& shape, void* scratch,
                            cudaStream_t stream);
template <typename T, typename G>
cudaError_t RunBackwardSteps(const Problem<T, G>& problem,
                             const SpatialPropagationShape& shape,
                             void* scratch, cudaStream_t stream);

}  // namespace spatial_propagation_cuda
}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_KERNELS_H_
