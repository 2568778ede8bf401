// The raw operators of a lattice on a device, as the dispatcher has them
// (segpapers::lattice_build, ..): no autograd, a kernel for CUDA, with
// --config=cuda. The lattice of a batch is a list of tensors; what they mean is
// in lattice_cuda.h. (internal)
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_OPS_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_OPS_H_

#include <cstdint>
#include <optional>
#include <tuple>
#include <vector>

#include "ATen/core/Tensor.h"

namespace seg {
namespace lattice_ops {

// Places in the list. M vertices of all images, S = N P (d+1) entries.
enum Part {
  kVertex,       // int32 [N,P,d+1]
  kWeight,       // float or double [N,P,d+1]
  kKeys,         // int64 [M]
  kBegin,        // int32 [M+1]
  kEntryPoint,   // int32 [S]
  kEntryWeight,  // [S], kWeight's type
  kBlockVertex,  // int32 [ceil(S / 32)]
  kNext,         // int32 [d+1,M]
  kPrevious,     // int32 [d+1,M]
  kState,        // uint8: a LatticeState
  kParts
};

// features: [N,P,d] float32 or float64, any strides, N P > 0. Throws as
// PermutohedralLattice::Build does; reads from the device once.
std::vector<at::Tensor> Build(const at::Tensor& features);

// int32 [taps,M]: neighbours at the offsets, int32 [taps,d+1]; missing ones M.
at::Tensor TapTable(at::TensorList lattice, const at::Tensor& offsets);

// values: [N,L,P], any strides; before, after: [N,P]. All of one type, the
// lattice's weights included. [N,L,P] contiguous.
at::Tensor Filter(const at::Tensor& values, at::TensorList lattice,
                  const std::optional<at::Tensor>& before,
                  const std::optional<at::Tensor>& after, double scale,
                  bool reverse);

// filter: [L_out,L,taps]. [N,L_out,P] contiguous. Products are in TF32 where
// LibTorch's matrix products may be (setAllowTF32CuBLAS; not by default).
at::Tensor Taps(const at::Tensor& values, const at::Tensor& filter,
                at::TensorList lattice, const at::Tensor& table,
                const std::optional<at::Tensor>& before,
                const std::optional<at::Tensor>& after);

// Gradients of Taps to values and filter (the latter in float64), an empty
// tensor for one that is not wanted. reflection: int32 [taps], the tap of -n.
std::tuple<at::Tensor, at::Tensor> TapsBackward(
    const at::Tensor& gradient, const at::Tensor& values,
    const at::Tensor& filter, at::TensorList lattice, const at::Tensor& table,
    const at::Tensor& reflection, const std::optional<at::Tensor>& before,
    const std::optional<at::Tensor>& after, bool want_values, bool want_filter);

// Throws "OP: built without CUDA; use --config=cuda" where the operators have
// no kernel for the device of `x`.
void CheckBuiltFor(const char* op, const at::Tensor& x);

}  // namespace lattice_ops
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_OPS_H_
