// Neighbours on the device, each looked up by its key in the sorted keys.
#include "common/cuda/kernel.h"
#include "common/layers/permutohedral/lattice_cuda.h"

namespace seg {
namespace cuda {
namespace {

constexpr int kThreads = 256;

// The key of the vertex `key` moved by the offset n (the steps are their sum);
// false where it is outside of the range of keys, so that there is no such
// vertex. With coordinates x_i = (d+1) q_i + r the steps move into the
// remainder: r' = (r - steps) mod (d+1) with c borrows, q_i' = q_i + n_i - c.
__device__ inline bool MoveKey(const LatticeKeys& keys, uint64_t key,
                               const int32_t* n, int steps, uint64_t* moved) {
  const int corners = keys.dim + 1;
  const int remainder =
      static_cast<int>(key & ((uint64_t{1} << keys.remainder_bits) - 1));
  const int low = remainder - steps;
  const int borrow = low >= 0 ? 0 : (corners - 1 - low) / corners;
  const int next = low + borrow * corners;
  uint64_t result =
      key - static_cast<uint64_t>(remainder) + static_cast<uint64_t>(next);
  bool inside = true;
  for (int i = 0; i < keys.dim; ++i) {
    const int delta = keys.differs[i] != 0 ? n[i] - n[i + 1] : n[i] - borrow;
    const int64_t field = static_cast<int64_t>(
        key >> keys.shift[i] & ((uint64_t{1} << keys.bits[i]) - 1));
    const int64_t to = field + delta;
    inside = inside && to >= 0 && to < int64_t{1} << keys.bits[i];
    result += static_cast<uint64_t>(static_cast<int64_t>(delta))
              << keys.shift[i];
  }
  *moved = result;
  return inside;
}

// The place of `key` in keys [count], ascending, or -1.
__device__ inline int Find(const uint64_t* keys, int count, uint64_t key) {
  int low = 0;
  int left = count;
  while (left > 0) {
    const int half = left / 2;
    const bool right = keys[low + half] < key;
    low = right ? low + half + 1 : low;
    left = right ? left - half - 1 : half;
  }
  return low < count && keys[low] == key ? low : -1;
}

__global__ void __launch_bounds__(kThreads)
    FindNext(const LatticeNeighborArguments a) {
  const int vertices = a.state->vertices;
  const int v = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  const int axis = static_cast<int>(blockIdx.y);
  if (v >= vertices || v >= a.vertices) return;
  int32_t n[kLatticeMaxDim + 1];
  for (int i = 0; i <= kLatticeMaxDim; ++i) n[i] = i == axis ? 1 : 0;
  uint64_t moved = 0;
  int found = -1;
  if (MoveKey(a.state->keys, a.keys[v], n, 1, &moved)) {
    found = Find(a.keys, vertices, moved);
  }
  a.next[axis * a.stride + v] = found;
  if (found >= 0) a.previous[axis * a.stride + found] = v;
}

__global__ void __launch_bounds__(kThreads)
    FindTaps(const LatticeTapArguments a) {
  const int vertices = a.state->vertices;
  const int v = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (v >= vertices || v >= a.vertices) return;
  const int tap = static_cast<int>(blockIdx.y);
  const int32_t* n = a.offsets + static_cast<int64_t>(tap) * (a.dim + 1);
  int steps = 0;
  for (int i = 0; i <= a.dim; ++i) steps += n[i];
  uint64_t moved = 0;
  int found = a.missing;
  if (MoveKey(a.state->keys, a.keys[v], n, steps, &moved)) {
    const int at = Find(a.keys, vertices, moved);
    if (at >= 0) found = at;
  }
  a.table[tap * a.stride + v] = found;
}

unsigned Blocks(int64_t vertices) {
  return static_cast<unsigned>((vertices + kThreads - 1) / kThreads);
}

}  // namespace

cudaError_t LatticeNeighbors(const LatticeNeighborArguments& a,
                             cudaStream_t stream) {
  const size_t corners = static_cast<size_t>(a.dim + 1);
  const cudaError_t error = cudaMemsetAsync(
      a.previous, 0xff, corners * a.stride * sizeof(int32_t), stream);
  if (error != cudaSuccess) return error;
  return Launch(FindNext,
                dim3(Blocks(a.vertices), static_cast<unsigned>(corners)),
                kThreads, 0, stream, a);
}

cudaError_t LatticeTapNeighbors(const LatticeTapArguments& a,
                                cudaStream_t stream) {
  return Launch(FindTaps,
                dim3(Blocks(a.vertices), static_cast<unsigned>(a.taps)),
                kThreads, 0, stream, a);
}

}  // namespace cuda
}  // namespace seg
