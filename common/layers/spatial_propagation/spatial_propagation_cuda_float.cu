#include "common/layers/spatial_propagation/spatial_propagation_cuda_backward-inl.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_forward-inl.h"

namespace seg {
namespace spatial_propagation_cuda {

template cudaError_t RunForward(const Problem<float, float>&, const Layout&,
                                const SpatialPropagationShape&, cudaStream_t);
template cudaError_t RunBackward(const Problem<float, float>&, const Layout&,
                                 const SpatialPropagationShape&, cudaStream_t);

}  // namespace spatial_propagation_cuda
}  // namespace seg
