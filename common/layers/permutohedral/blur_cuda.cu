// The blurs along the axes. Between two arrays a group of threads takes a
// vertex. In place it takes a chain of neighbours along the axis from its first
// vertex on and keeps the values that were there: each row is read and written
// once, in one array, which then fits a cache that two do not. The results are
// the same bit for bit.
#include "common/cuda/kernel.h"
#include "common/layers/permutohedral/filter_cuda.h"
#include "common/layers/permutohedral/rows_cuda.h"

namespace seg {
namespace cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kChainThreads = 128;

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
  const bool head = v < t.vertices && t.previous[v] < 0;
  const unsigned mask = __ballot_sync(~0u, head);
  if (head) own[__popc(mask & ((1u << lane) - 1))] = static_cast<int>(v);
  __syncwarp();
  const int count = __popc(mask);
  const int64_t column = blockIdx.y * GROUP + lane % GROUP;
  if (column >= t.vectors) return;
  V* rows = reinterpret_cast<V*>(t.out) + column;
  for (int i = lane / GROUP; i < count; i += kGroups) {
    int64_t at = own[i];
    int64_t next = t.next[at];
    V before = rows::Zero<T, VECTOR>();
    V here = rows[at * t.vectors];
    while (true) {
      V after = rows::Zero<T, VECTOR>();
      int64_t beyond = -1;
      if (next >= 0) {
        after = rows[next * t.vectors];
        beyond = t.next[next];
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
BlurTask<T> AxisTask(const LatticeParts<T>& lattice, bool reverse, int64_t k) {
  const int64_t axis = reverse ? lattice.dim - k : k;
  BlurTask<T> task;
  task.next = lattice.next + axis * lattice.neighbor_stride;
  task.previous = lattice.previous + axis * lattice.neighbor_stride;
  task.vertices = lattice.vertices;
  task.vectors = 0;
  task.in = nullptr;
  task.out = nullptr;
  return task;
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
cudaError_t RunAxis(BlurTask<T> task, int64_t row, cudaStream_t stream) {
  return rows::ForRow<T>(row, [&](auto vector, auto group) {
    constexpr int kVector = decltype(vector)::value;
    constexpr int kGroup = decltype(group)::value;
    task.vectors = row / kVector;
    const dim3 grid(rows::Blocks(task.vertices, kThreads / kGroup),
                    rows::Chunks(row, kVector, kGroup));
    return Launch(BlurAxis<T, kVector, kGroup>, grid, kThreads, 0, stream,
                  task);
  });
}

}  // namespace

template <typename T>
cudaError_t LatticeBlurInPlace(const LatticeParts<T>& lattice, int64_t row,
                               bool reverse, T* x, cudaStream_t stream) {
  for (int64_t k = 0; k <= lattice.dim; ++k) {
    BlurTask<T> task = AxisTask(lattice, reverse, k);
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
  for (int64_t k = 0; k <= lattice.dim; ++k) {
    BlurTask<T> task = AxisTask(lattice, reverse, k);
    task.in = *current;
    task.out = *other;
    const cudaError_t error = RunAxis(task, row, stream);
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
