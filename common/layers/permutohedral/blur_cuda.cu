// The blurs along the axes. Between two arrays a group of threads takes a
// vertex, and two axes at once: more reads, but half the launches, which is
// what counts where the rows are few. In place it takes a chain of neighbours
// along the axis from its first vertex on and keeps the values that were there:
// each row is read and written once, in one array, which then fits a cache that
// two do not. The results are the same bit for bit.
#include "common/cuda/kernel.h"
#include "common/layers/permutohedral/filter_cuda.h"
#include "common/layers/permutohedral/rows_cuda.h"

namespace seg {
namespace cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kChainThreads = 128;

struct Axis {
  const int32_t* next = nullptr;
  const int32_t* previous = nullptr;
};

template <typename T>
struct BlurTask {
  Axis axis;
  Axis second;  // for BlurTwo
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

// A warp takes 32 vertices, and the chains that begin among them.
template <typename T, int VECTOR, int GROUP>
__global__ void __launch_bounds__(kChainThreads)
    BlurChains(const BlurTask<T> t) {
  using V = rows::Vector<T, VECTOR>;
  constexpr int kGroups = 32 / GROUP;
  SEG_SHARED(int, heads, kChainThreads);
  const int lane = static_cast<int>(threadIdx.x % 32);
  int* own = heads + threadIdx.x / 32 * 32;
  const int64_t v =
      static_cast<int64_t>(blockIdx.x) * kChainThreads + threadIdx.x;
  const bool head = v < t.vertices && t.axis.previous[v] < 0;
  const unsigned mask = __ballot_sync(~0u, head);
  if (head) own[__popc(mask & ((1u << lane) - 1))] = static_cast<int>(v);
  __syncwarp();
  const int count = __popc(mask);
  const int64_t column = blockIdx.y * GROUP + lane % GROUP;
  if (column >= t.vectors) return;
  V* rows = reinterpret_cast<V*>(t.out) + column;
  for (int i = lane / GROUP; i < count; i += kGroups) {
    int64_t at = own[i];
    int64_t next = t.axis.next[at];
    V before = rows::Zero<T, VECTOR>();
    V here = rows[at * t.vectors];
    while (true) {
      V after = rows::Zero<T, VECTOR>();
      int64_t beyond = -1;
      if (next >= 0) {
        after = rows[next * t.vectors];
        beyond = t.axis.next[next];
      }
      V sum = before;
      rows::Add(after, &sum);
      V x = here;
      rows::AddTimes(T(0.5), sum, &x);
      rows[at * t.vectors] = x;
      if (next < 0) break;
      before = here;
      here = after;
      at = next;
      next = beyond;
    }
  }
}

// Rows from here on are blurred in place.
constexpr size_t kInPlaceBytes = size_t{8} << 20;

template <typename T>
Axis AxisOf(const LatticeParts<T>& lattice, bool reverse, int64_t k) {
  const int64_t axis = reverse ? lattice.dim - k : k;
  return {lattice.next + axis * lattice.neighbor_stride,
          lattice.previous + axis * lattice.neighbor_stride};
}

// (Functions of this namespace: what their lambdas hold is of it too.)
template <typename T>
cudaError_t RunChains(BlurTask<T> task, int64_t row, cudaStream_t stream) {
  return rows::ForRow<T>(row, [&](auto vector, auto group) {
    constexpr int kVector = decltype(vector)::value;
    constexpr int kGroup = decltype(group)::value;
    task.vectors = row / kVector;
    const dim3 grid(rows::Blocks(task.vertices, kChainThreads),
                    rows::Chunks(row, kVector, kGroup));
    return Launch(BlurChains<T, kVector, kGroup>, grid, kChainThreads, 0,
                  stream, task);
  });
}

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
cudaError_t LatticeBlurInPlace(const LatticeParts<T>& lattice, int64_t row,
                               bool reverse, T* x, cudaStream_t stream) {
  for (int64_t k = 0; k <= lattice.dim; ++k) {
    BlurTask<T> task;
    task.axis = AxisOf(lattice, reverse, k);
    task.vertices = lattice.vertices;
    task.out = x;
    const cudaError_t error = RunChains(task, row, stream);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

template <typename T>
cudaError_t LatticeBlur(const LatticeParts<T>& lattice, int64_t row,
                        bool reverse, T** current, T** other,
                        cudaStream_t stream) {
  const size_t bytes = static_cast<size_t>(lattice.vertices * row) * sizeof(T);
  if (bytes >= kInPlaceBytes) {
    return LatticeBlurInPlace(lattice, row, reverse, *current, stream);
  }
  return LatticeBlurBetween(lattice, row, reverse, current, other, stream);
}

template <typename T>
cudaError_t LatticeBlurBetween(const LatticeParts<T>& lattice, int64_t row,
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
  template cudaError_t LatticeBlurInPlace(const LatticeParts<T>&, int64_t,     \
                                          bool, T*, cudaStream_t);             \
  template cudaError_t LatticeBlurBetween(const LatticeParts<T>&, int64_t,     \
                                          bool, T**, T**, cudaStream_t);       \
  template cudaError_t LatticeBlur(const LatticeParts<T>&, int64_t, bool, T**, \
                                   T**, cudaStream_t);
SEG_INSTANTIATE(float)
SEG_INSTANTIATE(double)
#undef SEG_INSTANTIATE

}  // namespace cuda
}  // namespace seg
