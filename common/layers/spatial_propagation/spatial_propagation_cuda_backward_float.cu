#include "common/layers/spatial_propagation/spatial_propagation_cuda_backward-inl.h"

namespace seg {
namespace spatial_propagation_cuda {

template cudaError_t RunBackward(const Problem<float, float>&, const Layout&,
                                 const SpatialPropagationShape&,
                                 SpatialPropagationDesign, cudaStream_t);

}  // namespace spatial_propagation_cuda
}  // namespace seg
