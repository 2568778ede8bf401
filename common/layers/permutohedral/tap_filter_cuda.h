// The whole learnable filter on a device lattice, and its gradients (internal):
// out = after B C_F B^T before in. T = float or double.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_TAP_FILTER_CUDA_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_TAP_FILTER_CUDA_H_

#include <cstddef>
#include <cstdint>

#include "common/cuda/runtime.h"
#include "common/layers/permutohedral/filter_cuda.h"
#include "common/layers/permutohedral/lattice_cuda.h"
#include "common/layers/permutohedral/taps_cuda.h"

namespace seg {
namespace cuda {

template <typename T>
struct LatticeTapFilterArguments {
  LatticeParts<T> lattice;
  int64_t taps = 0;
  const int32_t* table = nullptr;  // [taps,stride], missing ones M
  int64_t stride = 0;
  int64_t labels_in = 0;
  int64_t labels_out = 0;
  const T* filter = nullptr;  // [L_out,L_in,taps], contiguous
  LatticePlanes<const T> in;
  const T* before = nullptr;  // [N P] or null
  const T* after = nullptr;
  // Products with the taps in TF32 (LatticeApplyTapsTf32), for T = float; the
  // filter's gradient is never.
  bool tf32 = false;
  int64_t many_vertices = kLatticeManyVertices;  // tests lower it
  void* scratch = nullptr;                       // LatticeTapFilterScratchBytes
};

// For both of the functions below.
template <typename T>
size_t LatticeTapFilterScratchBytes(
    const LatticeTapFilterArguments<T>& arguments);

template <typename T>
cudaError_t LatticeTapFilter(const LatticeTapFilterArguments<T>& arguments,
                             const LatticePlanes<T>& out, cudaStream_t stream);

// Gradients of LatticeTapFilter for that of its output.
template <typename T>
struct LatticeTapFilterGradients {
  LatticePlanes<const T> out;           // [N,L_out,P]
  const int32_t* reflection = nullptr;  // [taps] on the device: tap of -n
  LatticePlanes<T> in;                  // [N,L_in,P]; null: not wanted
  double* filter = nullptr;             // [L_out,L_in,taps]; null: not wanted
  bool add = false;                     // to what is in `filter`
};
template <typename T>
cudaError_t LatticeTapFilterBackward(
    const LatticeTapFilterArguments<T>& arguments,
    const LatticeTapFilterGradients<T>& gradients, cudaStream_t stream);

}  // namespace cuda
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_TAP_FILTER_CUDA_H_
