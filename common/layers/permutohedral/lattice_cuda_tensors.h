// The launchers of a device lattice on tensors: the kernels of lattice_ops.h
// for CUDA (internal). In tests the emulator runs them on the CPU's tensors.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_CUDA_TENSORS_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_CUDA_TENSORS_H_

#include <optional>
#include <tuple>
#include <vector>

#include "ATen/core/Tensor.h"

namespace torch {
class Library;
}

namespace seg {
namespace lattice_ops {

// Gives the operators their kernels in `library`.
void RegisterKernels(torch::Library* library);

}  // namespace lattice_ops
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_CUDA_TENSORS_H_
