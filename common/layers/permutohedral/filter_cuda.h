// Filters on a device lattice, of all images at once: splat, blur, slice
// (internal). Values of points and vertices are rows of LatticeRowLength(L)
// numbers, the unused ones zero. T = float or double.
//
// Deterministic: every sum has a fixed order, which differs from the CPU's.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_FILTER_CUDA_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_FILTER_CUDA_H_

#include <cstddef>
#include <cstdint>

#include "common/cuda/runtime.h"
#include "common/layers/permutohedral/lattice_cuda.h"

namespace seg {
namespace cuda {

// 1, 2 or a multiple of 4: rows are read in vectors of up to 16 bytes.
inline int64_t LatticeRowLength(int64_t labels) {
  return labels <= 2 ? labels : (labels + 3) / 4 * 4;
}

// Points [images][labels][points] with strides, as tensors hold them.
template <typename T>
struct LatticePlanes {
  T* data = nullptr;
  int64_t image_stride = 0;
  int64_t label_stride = 0;
  int64_t point_stride = 0;
};

// rows [N P][row] = planes times factor [N P] (null for ones).
template <typename T>
cudaError_t LatticeLoadRows(int64_t images, int64_t points, int64_t labels,
                            const LatticePlanes<const T>& planes,
                            const T* factor, int64_t row, T* rows,
                            cudaStream_t stream);

// out [M][row] = B^T x for x [N P][row]. scratch: LatticeSplatScratchBytes.
template <typename T>
size_t LatticeSplatScratchBytes(const LatticeParts<T>& lattice, int64_t row);
template <typename T>
cudaError_t LatticeSplat(const LatticeParts<T>& lattice, const T* x,
                         int64_t row, T* out, void* scratch,
                         cudaStream_t stream);

// The blurs [1/2 1 1/2] along all axes, or along them in reversed order, of
// *current [M][row]. The result is *current, which is swapped with *other
// [M][row] on the way.
template <typename T>
cudaError_t LatticeBlur(const LatticeParts<T>& lattice, int64_t row,
                        bool reverse, T** current, T** other,
                        cudaStream_t stream);

// planes = scale factor B rows for rows [M][row].
template <typename T>
cudaError_t LatticeSlice(const LatticeParts<T>& lattice, const T* rows,
                         int64_t row, int64_t labels, T scale, const T* factor,
                         const LatticePlanes<T>& planes, cudaStream_t stream);

// The separable Gaussian: out = scale after B C B^T before in. `scratch` has
// LatticeFilterScratchBytes.
template <typename T>
struct LatticeFilterArguments {
  LatticeParts<T> lattice;
  int64_t labels = 0;  // >= 1
  LatticePlanes<const T> in;
  LatticePlanes<T> out;
  const T* before = nullptr;  // [N P] or null
  const T* after = nullptr;
  T scale = 1;
  bool reverse = false;
  void* scratch = nullptr;
};
template <typename T>
size_t LatticeFilterScratchBytes(const LatticeParts<T>& lattice,
                                 int64_t labels);
template <typename T>
cudaError_t LatticeFilter(const LatticeFilterArguments<T>& arguments,
                          cudaStream_t stream);

}  // namespace cuda
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_FILTER_CUDA_H_
