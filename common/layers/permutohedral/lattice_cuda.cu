// The second half of a build: sorted pairs to vertices. A pair whose key is not
// that of the pair before it begins a vertex; the number of such pairs up to
// and with a pair is its vertex.
#include "common/cuda/block_scan.h"
#include "common/cuda/kernel.h"
#include "common/cuda/radix_sort.h"
#include "common/cuda/scan.h"
#include "common/layers/permutohedral/elevate_cuda.h"
#include "common/layers/permutohedral/lattice_cuda.h"

namespace seg {
namespace cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kItems = 8;
constexpr int kTile = kThreads * kItems;

int64_t Tiles(int64_t entries) { return (entries + kTile - 1) / kTile; }

size_t RoundUp(size_t bytes) { return (bytes + 255) / 256 * 256; }

// The parts of the scratch memory.
struct Scratch {
  Scratch(void* start, int64_t entries) {
    char* at = static_cast<char*>(start);
    const auto take = [&at](size_t bytes) {
      char* part = at;
      at += RoundUp(bytes);
      return part;
    };
    const size_t n = static_cast<size_t>(entries);
    keys = reinterpret_cast<uint64_t*>(take(2 * n * sizeof(uint64_t)));
    pairs = reinterpret_cast<int32_t*>(take(2 * n * sizeof(int32_t)));
    heads = reinterpret_cast<int32_t*>(
        take(static_cast<size_t>(Tiles(entries)) * sizeof(int32_t)));
    sort = take(RadixSortScratchBytes(entries));
    bytes = static_cast<size_t>(at - static_cast<char*>(start));
  }
  uint64_t* keys;  // [2][entries]
  int32_t* pairs;  // [2][entries]
  int32_t* heads;  // [tiles]
  void* sort;
  size_t bytes;
};

template <typename T>
struct Sorted {
  const uint64_t* keys;  // [2][count], one of the halves
  const int32_t* pairs;
  int64_t count;
  int32_t corners;
  int32_t* heads;
  LatticeState* state;
  const T* weight;
  int32_t* vertex;
  uint64_t* vertex_keys;
  int32_t* begin;
  int32_t* entry_point;
  T* entry_weight;
  int32_t* block_vertex;
};

// Whether each of the warp's pairs begins a vertex: item j of lane l is pair
// begin + 32 j + l. Returns how many do.
template <typename T>
__device__ inline int Heads(const Sorted<T>& s, const uint64_t* keys,
                            int64_t begin, unsigned* masks) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  int count = 0;
#pragma unroll
  for (int j = 0; j < kItems; ++j) {
    const int64_t i = begin + j * 32 + lane;
    const bool head = i < s.count && (i == 0 || keys[i] != keys[i - 1]);
    masks[j] = __ballot_sync(~0u, head);
    count += __popc(masks[j]);
  }
  return count;
}

__device__ inline int64_t WarpBegin() {
  return static_cast<int64_t>(blockIdx.x) * kTile +
         threadIdx.x / 32 * (32 * kItems);
}

template <typename T>
__global__ void __launch_bounds__(kThreads) CountHeads(const Sorted<T> s) {
  SEG_SHARED(int, sums, kWarps);
  const uint64_t* keys = s.keys + RadixSortHalf(s.state->sort_bits) * s.count;
  unsigned masks[kItems];
  const int count = Heads(s, keys, WarpBegin(), masks);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = count;
  __syncthreads();
  if (threadIdx.x != 0) return;
  int all = 0;
  for (int w = 0; w < kWarps; ++w) all += sums[w];
  s.heads[blockIdx.x] = all;
}

template <typename T>
__global__ void __launch_bounds__(kThreads) NumberVertices(const Sorted<T> s) {
  SEG_SHARED(int, sums, kWarps);
  if (s.state->error != kLatticeGood) return;
  const int half = RadixSortHalf(s.state->sort_bits);
  const uint64_t* keys = s.keys + half * s.count;
  const int32_t* pairs = s.pairs + half * s.count;
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int warp = static_cast<int>(threadIdx.x / 32);
  const int64_t first = WarpBegin();
  unsigned masks[kItems];
  const int count = Heads(s, keys, first, masks);
  if (lane == 0) sums[warp] = count;
  __syncthreads();
  int before = s.heads[blockIdx.x];
  for (int w = 0; w < warp; ++w) before += sums[w];
#pragma unroll
  for (int j = 0; j < kItems; ++j) {
    const int64_t i = first + j * 32 + lane;
    const unsigned upto = masks[j] & (~0u >> (31 - lane));
    const int v = before + __popc(upto) - 1;
    before += __popc(masks[j]);
    if (i >= s.count) continue;
    const int pair = pairs[i];
    s.vertex[pair] = v;
    const bool head = (masks[j] >> lane & 1) != 0;
    const int point = pair / s.corners;
    s.entry_point[i] = head ? ~point : point;
    s.entry_weight[i] = s.weight[pair];
    if (head) {
      s.vertex_keys[v] = keys[i];
      s.begin[v] = static_cast<int32_t>(i);
    }
    if (i % kLatticeBlock == 0) s.block_vertex[i / kLatticeBlock] = v;
    if (i + 1 == s.count) {
      s.begin[v + 1] = static_cast<int32_t>(s.count);
      s.state->vertices = v + 1;
    }
  }
}

}  // namespace

size_t LatticeBuildScratchBytes(int64_t entries) {
  return Scratch(nullptr, entries).bytes;
}

template <typename T>
cudaError_t LatticeBuild(const LatticeBuildArguments<T>& a,
                         cudaStream_t stream) {
  const int64_t entries = a.images * a.points * (a.dim + 1);
  const Scratch scratch(a.scratch, entries);
  cudaError_t error = LatticeElevate(a, scratch.keys, stream);
  if (error != cudaSuccess) return error;

  RadixSortArguments sort;
  sort.count = entries;
  sort.keys = scratch.keys;
  sort.values = scratch.pairs;
  sort.count_up = true;
  sort.max_bits = a.max_key_bits;
  sort.bits = &a.state->sort_bits;
  sort.scratch = scratch.sort;
  error = RadixSort(sort, stream);
  if (error != cudaSuccess) return error;

  Sorted<T> s;
  s.keys = scratch.keys;
  s.pairs = scratch.pairs;
  s.count = entries;
  s.corners = static_cast<int32_t>(a.dim + 1);
  s.heads = scratch.heads;
  s.state = a.state;
  s.weight = a.weight;
  s.vertex = a.vertex;
  s.vertex_keys = a.keys;
  s.begin = a.begin;
  s.entry_point = a.entry_point;
  s.entry_weight = a.entry_weight;
  s.block_vertex = a.block_vertex;
  const unsigned grid = static_cast<unsigned>(Tiles(entries));
  error = Launch(CountHeads<T>, grid, kThreads, 0, stream, s);
  if (error != cudaSuccess) return error;
  error = ExclusiveScanRows(scratch.heads, 1, Tiles(entries), nullptr, stream);
  if (error != cudaSuccess) return error;
  return Launch(NumberVertices<T>, grid, kThreads, 0, stream, s);
}

template cudaError_t LatticeBuild(const LatticeBuildArguments<float>&,
                                  cudaStream_t);
template cudaError_t LatticeBuild(const LatticeBuildArguments<double>&,
                                  cudaStream_t);

}  // namespace cuda
}  // namespace seg
