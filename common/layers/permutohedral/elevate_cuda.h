// The first half of a build on the device: points to simplices, weights and
// keys (internal; called by LatticeBuild).
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_ELEVATE_CUDA_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_ELEVATE_CUDA_H_

#include <cstdint>

#include "common/layers/permutohedral/lattice_cuda.h"

namespace seg {
namespace cuda {

// Fills arguments.weight, keys[i] of pair i = (n P + p) (d+1) + r, and of
// *arguments.state all but `vertices`.
template <typename T>
cudaError_t LatticeElevate(const LatticeBuildArguments<T>& arguments,
                           uint64_t* keys, cudaStream_t stream);

}  // namespace cuda
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_ELEVATE_CUDA_H_
