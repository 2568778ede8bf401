// The learnable filter on a device lattice: products of vertex rows with one
// matrix a lattice offset, and their gradient (internal). T = float or double.
//
// Vertex rows here have LatticeTapRow(L) numbers, the unused ones zero. A
// missing neighbour is the vertex M. Deterministic.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_TAPS_CUDA_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_TAPS_CUDA_H_

#include <cstddef>
#include <cstdint>

#include "common/cuda/runtime.h"

namespace seg {
namespace cuda {

inline int64_t LatticeTapRow(int64_t labels) { return (labels + 3) / 4 * 4; }

// Columns of the filter as the kernel takes it.
inline int64_t LatticeTapColumns(int64_t labels) {
  return labels <= 8 ? 8 : (labels + 23) / 24 * 24;
}

// out[v,l] = sum_o sum_m filter[o][m][l] in[table[o][v],m] for v < vertices.
template <typename T>
struct LatticeApplyTapsArguments {
  int64_t vertices = 0;            // M
  int64_t taps = 0;                // >= 1
  const int32_t* table = nullptr;  // [taps,stride], missing ones M
  int64_t stride = 0;
  int64_t labels_in = 0;
  int64_t labels_out = 0;
  // [taps][LatticeTapRow(labels_in)][LatticeTapColumns(labels_out)], zeros
  // where there is no label.
  const T* filter = nullptr;
  const T* in = nullptr;  // [M][LatticeTapRow(labels_in)]
  T* out = nullptr;       // [M][LatticeTapRow(labels_out)]
};
template <typename T>
cudaError_t LatticeApplyTaps(const LatticeApplyTapsArguments<T>& arguments,
                             cudaStream_t stream);

// The same with products in TF32 on the tensor cores: each factor is rounded to
// 2^-11. `filter` has [taps] matrices of LatticeTapColumns(labels_in) x
// LatticeTapColumns(labels_out), already rounded and each number where
// tap_fragments_cuda.h says: as the lanes of a warp hold it. From
// `many_vertices` on the work is cut into larger tiles; the default lies
// between the two sizes that were timed (README.md).
constexpr int64_t kLatticeManyVertices = 100000;
cudaError_t LatticeApplyTapsTf32(
    const LatticeApplyTapsArguments<float>& arguments, int64_t many_vertices,
    cudaStream_t stream);

// gradient[l][m][o] = sum_v a[v,l] b[table[o][v],m], summed in double.
template <typename T>
struct LatticeTapGradientArguments {
  int64_t vertices = 0;
  int64_t taps = 0;
  const int32_t* table = nullptr;
  int64_t stride = 0;
  int64_t labels_a = 0;
  int64_t labels_b = 0;
  const T* a = nullptr;        // [M][LatticeTapRow(labels_a)]
  const T* b = nullptr;        // [M][LatticeTapRow(labels_b)]
  double* gradient = nullptr;  // [labels_a,labels_b,taps]
  bool add = false;            // to what is in `gradient`
  void* scratch = nullptr;     // LatticeTapGradientScratchBytes
};
template <typename T>
size_t LatticeTapGradientScratchBytes(
    const LatticeTapGradientArguments<T>& arguments);
template <typename T>
cudaError_t LatticeTapGradient(const LatticeTapGradientArguments<T>& arguments,
                               cudaStream_t stream);

}  // namespace cuda
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_TAPS_CUDA_H_
