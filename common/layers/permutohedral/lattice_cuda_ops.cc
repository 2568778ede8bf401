// Kernels of the raw operators of lattice_ops.h for CUDA. Linked into what has
// the lattice under --config=cuda.
#include "common/layers/permutohedral/lattice_cuda_tensors.h"
#include "torch/library.h"

namespace seg {

TORCH_LIBRARY_IMPL(segpapers, CUDA, m) { lattice_ops::RegisterKernels(&m); }

}  // namespace seg
