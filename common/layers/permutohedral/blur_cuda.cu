// The blurs along the axes, from one array to another: a group of threads takes
// a vertex, and two axes at once. That is more reads, but half the launches and
// half the writes, and no read waits for another row. (In place, along chains
// of neighbours, a row is read once an axis, but only after the one before it.)
#include "common/cuda/kernel.h"
#include "common/layers/permutohedral/filter_cuda.h"
#include "common/layers/permutohedral/rows_cuda.h"

namespace seg {
namespace cuda {
namespace {

constexpr int kThreads = 256;

struct Axis {
  const int32_t* next = nullptr;
  const int32_t* previous = nullptr;
};

template <typename T>
struct BlurTask {
  Axis axis;
  Axis second;  // where two are taken at once
  int64_t vertices = 0;
  int64_t vectors = 0;  // of a row
  const T* in = nullptr;
  T* out = nullptr;
};

// value(v) + (value(v - step) + value(v + step)) / 2. Missing neighbours are
// read too, as v: without branches all reads are under way at once.
template <typename V, typename T, typename F>
__device__ inline V Blurred(const Axis& axis, T half, int64_t v,
                            const F& value) {
  const int64_t next = axis.next[v];
  const int64_t previous = axis.previous[v];
  V x = value(v);
  V sum = value(previous < 0 ? v : previous);
  V after = value(next < 0 ? v : next);
  if (previous < 0) sum = {};
  if (next < 0) after = {};
  rows::Add(after, &sum);
  rows::AddTimes(half, sum, &x);
  return x;
}

template <typename T, int VECTOR, int GROUP, bool TWO>
__global__ void __launch_bounds__(kThreads) BlurAxes(const BlurTask<T> t) {
  using V = rows::Vector<T, VECTOR>;
  const rows::Place<GROUP> place(t.vectors);
  if (place.group >= t.vertices || !place.inside) return;
  const V* in = reinterpret_cast<const V*>(t.in) + place.column;
  const auto row = [&](int64_t v) { return in[v * t.vectors]; };
  const auto once = [&](int64_t v) {
    return Blurred<V>(t.axis, T(0.5), v, row);
  };
  V x;
  if constexpr (TWO) {
    x = Blurred<V>(t.second, T(0.5), place.group, once);
  } else {
    x = once(place.group);
  }
  reinterpret_cast<V*>(t.out)[place.group * t.vectors + place.column] = x;
}

template <typename T>
Axis AxisOf(const LatticeParts<T>& lattice, bool reverse, int64_t k) {
  const int64_t axis = reverse ? lattice.dim - k : k;
  return {lattice.next + axis * lattice.neighbor_stride,
          lattice.previous + axis * lattice.neighbor_stride};
}

// (A function of this namespace: what its lambda holds is of it too.)
template <typename T>
cudaError_t RunAxes(BlurTask<T> task, int64_t row, cudaStream_t stream) {
  return rows::ForRow<T>(row, [&](auto vector, auto group) {
    constexpr int kVector = decltype(vector)::value;
    constexpr int kGroup = decltype(group)::value;
    task.vectors = row / kVector;
    const dim3 grid(rows::Blocks(task.vertices, kThreads / kGroup),
                    rows::Chunks(row, kVector, kGroup));
    if (task.second.next != nullptr) {
      return Launch(BlurAxes<T, kVector, kGroup, true>, grid, kThreads, 0,
                    stream, task);
    }
    return Launch(BlurAxes<T, kVector, kGroup, false>, grid, kThreads, 0,
                  stream, task);
  });
}

}  // namespace

template <typename T>
cudaError_t LatticeBlur(const LatticeParts<T>& lattice, int64_t row,
                        bool reverse, T** current, T** other,
                        cudaStream_t stream) {
  for (int64_t k = 0; k <= lattice.dim; k += 2) {
    BlurTask<T> task;
    task.axis = AxisOf(lattice, reverse, k);
    if (k < lattice.dim) task.second = AxisOf(lattice, reverse, k + 1);
    task.vertices = lattice.vertices;
    task.in = *current;
    task.out = *other;
    const cudaError_t error = RunAxes(task, row, stream);
    if (error != cudaSuccess) return error;
    T* const swapped = *current;
    *current = *other;
    *other = swapped;
  }
  return cudaSuccess;
}

#define SEG_INSTANTIATE(T)                                                     \
  template cudaError_t LatticeBlur(const LatticeParts<T>&, int64_t, bool, T**, \
                                   T**, cudaStream_t);
SEG_INSTANTIATE(float)
SEG_INSTANTIATE(double)
#undef SEG_INSTANTIATE

}  // namespace cuda
}  // namespace seg
