#include <algorithm>

#include "common/cuda/kernel.h"
#include "common/cuda/mma.h"
#include "common/layers/permutohedral/rows_cuda.h"
#include "common/layers/permutohedral/tap_filter_cuda.h"
#include "common/layers/permutohedral/tap_fragments_cuda.h"
#include "common/layers/permutohedral/taps_cuda.h"

namespace seg {
namespace cuda {
namespace {

constexpr int kThreads = 256;

// packed[o][i][j] = filter[j stride_j + i stride_i + tap], zeros beyond the
// labels; tap is o or its reflection. FRAGMENTS: rounded and laid out for
// LatticeApplyTapsTf32.
template <typename T>
struct PackTask {
  const T* filter;
  int64_t stride_i, stride_j;
  const int32_t* reflection;
  int64_t labels_i, labels_j;
  int64_t row, columns;
  int64_t size;
  T* packed;
};

template <typename T, bool FRAGMENTS>
__global__ void __launch_bounds__(kThreads) PackFilter(const PackTask<T> t) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (at >= t.size) return;
  const int64_t j = at % t.columns;
  const int64_t i = at / t.columns % t.row;
  const int64_t o = at / (t.columns * t.row);
  T value = 0;
  if (i < t.labels_i && j < t.labels_j) {
    const int64_t tap = t.reflection != nullptr ? t.reflection[o] : o;
    value = t.filter[j * t.stride_j + i * t.stride_i + tap];
  }
  if constexpr (FRAGMENTS) {
    t.packed[taps::FragmentPlace(t.row, t.columns, o, i, j)] =
        __uint_as_float(ToTf32(value));
  } else {
    t.packed[at] = value;
  }
}

size_t RoundUp(size_t bytes) { return (bytes + 255) / 256 * 256; }

template <typename T>
struct Scratch {
  explicit Scratch(const LatticeTapFilterArguments<T>& a) {
    char* at = static_cast<char*>(a.scratch);
    const auto take = [&at](int64_t numbers) {
      char* part = at;
      at += RoundUp(static_cast<size_t>(numbers) * sizeof(T));
      return reinterpret_cast<T*>(part);
    };
    const int64_t row_in = LatticeTapRow(a.labels_in);
    const int64_t row_out = LatticeTapRow(a.labels_out);
    const int64_t row = std::max(row_in, row_out);
    // (For the products in TF32; others need fewer rows.)
    packed = take(a.taps * LatticeTapColumns(a.labels_in) *
                  LatticeTapColumns(a.labels_out));
    points = take(a.lattice.images * a.lattice.points * row);
    first = take(a.lattice.vertices * row);
    second = take(a.lattice.vertices * row);
    rest = at;
    at += RoundUp(std::max(LatticeSplatScratchBytes(a.lattice, row),
                           LatticeTapGradientScratchBytes(Gradient(a))));
    bytes = static_cast<size_t>(at - static_cast<char*>(a.scratch));
  }

  // What the gradient of the filter is of, but for its rows.
  static LatticeTapGradientArguments<T> Gradient(
      const LatticeTapFilterArguments<T>& a) {
    LatticeTapGradientArguments<T> g;
    g.vertices = a.lattice.vertices;
    g.taps = a.taps;
    g.table = a.table;
    g.stride = a.stride;
    g.labels_a = a.labels_out;
    g.labels_b = a.labels_in;
    return g;
  }

  T* packed;
  T* points;
  T* first;  // [M] rows each
  T* second;
  void* rest;
  size_t bytes;
};

// The splat of planes into rows [M].
template <typename T>
cudaError_t SplatPlanes(const LatticeTapFilterArguments<T>& a,
                        const LatticePlanes<const T>& planes, int64_t labels,
                        const T* factor, const Scratch<T>& scratch, T* rows,
                        cudaStream_t stream) {
  const LatticeParts<T>& lattice = a.lattice;
  const int64_t row = LatticeTapRow(labels);
  const cudaError_t error =
      LatticeLoadRows(lattice.images, lattice.points, labels, planes, factor,
                      row, scratch.points, stream);
  if (error != cudaSuccess) return error;
  return LatticeSplat(lattice, scratch.points, row, rows, scratch.rest, stream);
}

// out = C_F in, or with the transposed filter.
template <typename T>
cudaError_t Apply(const LatticeTapFilterArguments<T>& a, bool transpose,
                  const int32_t* reflection, const Scratch<T>& scratch,
                  const T* in, T* out, cudaStream_t stream) {
  LatticeApplyTapsArguments<T> apply;
  apply.vertices = a.lattice.vertices;
  apply.taps = a.taps;
  apply.table = a.table;
  apply.stride = a.stride;
  apply.labels_in = transpose ? a.labels_out : a.labels_in;
  apply.labels_out = transpose ? a.labels_in : a.labels_out;
  apply.filter = scratch.packed;
  apply.in = in;
  apply.out = out;
  PackTask<T> pack;
  pack.filter = a.filter;
  const int64_t of_out = a.labels_in * a.taps;
  pack.stride_i = transpose ? of_out : a.taps;
  pack.stride_j = transpose ? a.taps : of_out;
  pack.reflection = transpose ? reflection : nullptr;
  pack.labels_i = apply.labels_in;
  pack.labels_j = apply.labels_out;
  pack.columns = LatticeTapColumns(apply.labels_out);
  pack.packed = scratch.packed;
  const auto run = [&](auto kernel, int64_t row) {
    pack.row = row;
    pack.size = a.taps * row * pack.columns;
    return Launch(kernel, rows::Blocks(pack.size, kThreads), kThreads, 0,
                  stream, pack);
  };
  if constexpr (sizeof(T) == sizeof(float)) {
    if (a.tf32) {
      const cudaError_t error =
          run(PackFilter<T, true>, LatticeTapColumns(apply.labels_in));
      if (error != cudaSuccess) return error;
      return LatticeApplyTapsTf32(apply, a.many_vertices, stream);
    }
  }
  const cudaError_t error =
      run(PackFilter<T, false>, LatticeTapRow(apply.labels_in));
  if (error != cudaSuccess) return error;
  return LatticeApplyTaps(apply, stream);
}

}  // namespace

template <typename T>
size_t LatticeTapFilterScratchBytes(const LatticeTapFilterArguments<T>& a) {
  return Scratch<T>(a).bytes;
}

template <typename T>
cudaError_t LatticeTapFilter(const LatticeTapFilterArguments<T>& a,
                             const LatticePlanes<T>& out, cudaStream_t stream) {
  const Scratch<T> scratch(a);
  cudaError_t error = SplatPlanes(a, a.in, a.labels_in, a.before, scratch,
                                  scratch.first, stream);
  if (error != cudaSuccess) return error;
  error =
      Apply(a, false, nullptr, scratch, scratch.first, scratch.second, stream);
  if (error != cudaSuccess) return error;
  return LatticeSlice(a.lattice, scratch.second, LatticeTapRow(a.labels_out),
                      a.labels_out, T(1), a.after, out, stream);
}

template <typename T>
cudaError_t LatticeTapFilterBackward(const LatticeTapFilterArguments<T>& a,
                                     const LatticeTapFilterGradients<T>& g,
                                     cudaStream_t stream) {
  const Scratch<T> scratch(a);
  cudaError_t error = SplatPlanes(a, g.out, a.labels_out, a.after, scratch,
                                  scratch.first, stream);
  if (error != cudaSuccess) return error;
  if (g.filter != nullptr) {
    error = SplatPlanes(a, a.in, a.labels_in, a.before, scratch, scratch.second,
                        stream);
    if (error != cudaSuccess) return error;
    LatticeTapGradientArguments<T> gradient = Scratch<T>::Gradient(a);
    gradient.a = scratch.first;
    gradient.b = scratch.second;
    gradient.gradient = g.filter;
    gradient.add = g.add;
    gradient.scratch = scratch.rest;
    error = LatticeTapGradient(gradient, stream);
    if (error != cudaSuccess) return error;
  }
  if (g.in.data == nullptr) return cudaSuccess;
  error = Apply(a, true, g.reflection, scratch, scratch.first, scratch.second,
                stream);
  if (error != cudaSuccess) return error;
  return LatticeSlice(a.lattice, scratch.second, LatticeTapRow(a.labels_in),
                      a.labels_in, T(1), a.before, g.in, stream);
}

#define SEG_INSTANTIATE(T)                                                   \
  template size_t LatticeTapFilterScratchBytes(                              \
      const LatticeTapFilterArguments<T>&);                                  \
  template cudaError_t LatticeTapFilter(const LatticeTapFilterArguments<T>&, \
                                        const LatticePlanes<T>&,             \
                                        cudaStream_t);                       \
  template cudaError_t LatticeTapFilterBackward(                             \
      const LatticeTapFilterArguments<T>&,                                   \
      const LatticeTapFilterGradients<T>&, cudaStream_t);
SEG_INSTANTIATE(float)
SEG_INSTANTIATE(double)
#undef SEG_INSTANTIATE

}  // namespace cuda
}  // namespace seg
