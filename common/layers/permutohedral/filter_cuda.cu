#include "common/layers/permutohedral/filter_cuda.h"

namespace seg {
namespace cuda {
namespace {

size_t RoundUp(size_t bytes) { return (bytes + 255) / 256 * 256; }

// Rows of points, rows of vertices twice, and the splat's own.
template <typename T>
struct Scratch {
  Scratch(void* start, const LatticeParts<T>& lattice, int64_t row) {
    char* at = static_cast<char*>(start);
    const auto take = [&at](size_t bytes) {
      char* part = at;
      at += RoundUp(bytes);
      return part;
    };
    const size_t bytes_of_row = static_cast<size_t>(row) * sizeof(T);
    const size_t all = static_cast<size_t>(lattice.images * lattice.points);
    const size_t vertices = static_cast<size_t>(lattice.vertices);
    points = reinterpret_cast<T*>(take(all * bytes_of_row));
    rows = reinterpret_cast<T*>(take(vertices * bytes_of_row));
    other = reinterpret_cast<T*>(take(vertices * bytes_of_row));
    splat = take(LatticeSplatScratchBytes(lattice, row));
    bytes = static_cast<size_t>(at - static_cast<char*>(start));
  }
  T* points;
  T* rows;
  T* other;
  void* splat;
  size_t bytes;
};

}  // namespace

template <typename T>
size_t LatticeFilterScratchBytes(const LatticeParts<T>& lattice,
                                 int64_t labels) {
  return Scratch<T>(nullptr, lattice, LatticeRowLength(labels)).bytes;
}

template <typename T>
cudaError_t LatticeFilter(const LatticeFilterArguments<T>& a,
                          cudaStream_t stream) {
  const LatticeParts<T>& lattice = a.lattice;
  const int64_t row = LatticeRowLength(a.labels);
  Scratch<T> scratch(a.scratch, lattice, row);
  cudaError_t error =
      LatticeLoadRows(lattice.images, lattice.points, a.labels, a.in, a.before,
                      row, scratch.points, stream);
  if (error != cudaSuccess) return error;
  error = LatticeSplat(lattice, scratch.points, row, scratch.rows,
                       scratch.splat, stream);
  if (error != cudaSuccess) return error;
  error = LatticeBlur(lattice, row, a.reverse, &scratch.rows, &scratch.other,
                      stream);
  if (error != cudaSuccess) return error;
  return LatticeSlice(lattice, scratch.rows, row, a.labels, a.scale, a.after,
                      a.out, stream);
}

#define SEG_INSTANTIATE(T)                                                    \
  template size_t LatticeFilterScratchBytes(const LatticeParts<T>&, int64_t); \
  template cudaError_t LatticeFilter(const LatticeFilterArguments<T>&,        \
                                     cudaStream_t);
SEG_INSTANTIATE(float)
SEG_INSTANTIATE(double)
#undef SEG_INSTANTIATE

}  // namespace cuda
}  // namespace seg
