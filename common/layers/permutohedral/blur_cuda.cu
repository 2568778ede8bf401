// The blurs along the axes, vertex by vertex.
#include "common/cuda/kernel.h"
#include "common/layers/permutohedral/filter_cuda.h"
#include "common/layers/permutohedral/rows_cuda.h"

namespace seg {
namespace cuda {
namespace {

constexpr int kThreads = 256;

template <typename T>
struct BlurTask {
  const int32_t* next;
  const int32_t* previous;
  int64_t vertices;
  int64_t vectors;  // of a row
  const T* in;
  T* out;
};

template <typename T, int VECTOR, int GROUP>
__global__ void __launch_bounds__(kThreads) BlurAxis(const BlurTask<T> t) {
  using V = rows::Vector<T, VECTOR>;
  const rows::Place<GROUP> place(t.vectors);
  if (place.group >= t.vertices || !place.inside) return;
  const V* in = reinterpret_cast<const V*>(t.in) + place.column;
  const int64_t next = t.next[place.group];
  const int64_t previous = t.previous[place.group];
  V x = in[place.group * t.vectors];
  V sum = rows::Zero<T, VECTOR>();
  V after = rows::Zero<T, VECTOR>();
  if (previous >= 0) sum = in[previous * t.vectors];
  if (next >= 0) after = in[next * t.vectors];
  rows::Add(after, &sum);
  rows::AddTimes(T(0.5), sum, &x);
  reinterpret_cast<V*>(t.out)[place.group * t.vectors + place.column] = x;
}

}  // namespace

template <typename T>
cudaError_t LatticeBlur(const LatticeParts<T>& lattice, int64_t row,
                        bool reverse, T** current, T** other,
                        cudaStream_t stream) {
  for (int64_t k = 0; k <= lattice.dim; ++k) {
    const int64_t axis = reverse ? lattice.dim - k : k;
    BlurTask<T> task;
    task.next = lattice.next + axis * lattice.neighbor_stride;
    task.previous = lattice.previous + axis * lattice.neighbor_stride;
    task.vertices = lattice.vertices;
    task.in = *current;
    task.out = *other;
    const cudaError_t error =
        rows::ForRow<T>(row, [&](auto vector, auto group) {
          constexpr int kVector = decltype(vector)::value;
          constexpr int kGroup = decltype(group)::value;
          task.vectors = row / kVector;
          const dim3 grid(rows::Blocks(lattice.vertices, kThreads / kGroup),
                          rows::Chunks(row, kVector, kGroup));
          return Launch(BlurAxis<T, kVector, kGroup>, grid, kThreads, 0, stream,
                        task);
        });
    if (error != cudaSuccess) return error;
    T* const swapped = *current;
    *current = *other;
    *other = swapped;
  }
  return cudaSuccess;
}

template cudaError_t LatticeBlur(const LatticeParts<float>&, int64_t, bool,
                                 float**, float**, cudaStream_t);
template cudaError_t LatticeBlur(const LatticeParts<double>&, int64_t, bool,
                                 double**, double**, cudaStream_t);

}  // namespace cuda
}  // namespace seg
