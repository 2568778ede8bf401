// A pass counts the digits of each tile, adds the counts up digit by digit over
// the tiles, and moves each pair to its place: of its digit, of its tile, of
// its warp, of its turn in the warp. Order within a digit is kept throughout.
#include "common/cuda/block_scan.h"
#include "common/cuda/radix_sort.h"

namespace seg {
namespace cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kItems = 12;  // a thread
constexpr int kTile = kThreads * kItems;
constexpr int kDigits = 1 << kRadixBits;
static_assert(kDigits <= kThreads, "a thread a digit");

int64_t Tiles(int64_t count) { return (count + kTile - 1) / kTile; }

struct Pass {
  uint64_t* keys;
  int32_t* values;
  int64_t count;
  int pass;
  const int* bits;
  bool count_up;
  int32_t* counts;  // [digits][tiles], then sums of the tiles before
  int32_t* totals;  // [digits]
};

__device__ inline bool Needed(const Pass& p) {
  return p.bits == nullptr || p.pass * kRadixBits < *p.bits;
}
__device__ inline int DigitOf(const Pass& p, uint64_t key) {
  return static_cast<int>(key >> (p.pass * kRadixBits)) & (kDigits - 1);
}

__global__ void __launch_bounds__(kThreads) CountDigits(const Pass p) {
  SEG_SHARED(int, counts, kWarps* kDigits);
  if (!Needed(p)) return;
  const uint64_t* keys = p.keys + (p.pass % 2) * p.count;
  const int thread = static_cast<int>(threadIdx.x);
  const int warp = thread / 32;
  for (int i = thread; i < kWarps * kDigits; i += kThreads) counts[i] = 0;
  __syncthreads();
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * kTile + thread;
#pragma unroll
  for (int j = 0; j < kItems; ++j) {
    const int64_t i = begin + j * kThreads;
    if (i < p.count) {
      atomicAdd(&counts[warp * kDigits + DigitOf(p, keys[i])], 1);
    }
  }
  __syncthreads();
  if (thread >= kDigits) return;
  int sum = 0;
  for (int w = 0; w < kWarps; ++w) sum += counts[w * kDigits + thread];
  p.counts[static_cast<int64_t>(thread) * gridDim.x + blockIdx.x] = sum;
}

// A block a digit: its counts over the tiles become sums of the tiles before.
__global__ void __launch_bounds__(kThreads) AddTiles(const Pass p, int tiles) {
  SEG_SHARED(int, sums, kWarps);
  if (!Needed(p)) return;
  int32_t* row = p.counts + static_cast<int64_t>(blockIdx.x) * tiles;
  int carry = 0;
  for (int begin = 0; begin < tiles; begin += kThreads) {
    const int at = begin + static_cast<int>(threadIdx.x);
    const int count = at < tiles ? row[at] : 0;
    int total = 0;
    const int before = BlockExclusiveSum<kThreads>(count, sums, &total);
    if (at < tiles) row[at] = carry + before;
    carry += total;
  }
  if (threadIdx.x == 0) p.totals[blockIdx.x] = carry;
}

// Lanes whose digit is this lane's.
__device__ inline unsigned Peers(int digit) {
  unsigned peers = ~0u;
#pragma unroll
  for (int b = 0; b < kRadixBits; ++b) {
    const bool set = (digit >> b & 1) != 0;
    const unsigned with = __ballot_sync(~0u, set);
    peers &= set ? with : ~with;
  }
  return peers;
}

__global__ void __launch_bounds__(kThreads, 3) MovePairs(const Pass p) {
  SEG_SHARED(uint16_t, warp_counts, kWarps * kDigits);
  SEG_SHARED(int, offsets, kDigits);  // from a place in the tile to the array
  SEG_SHARED(int, sums, kWarps);
  SEG_SHARED(uint64_t, staged, kTile);
  if (!Needed(p)) return;
  const int half = p.pass % 2;
  const uint64_t* keys_in = p.keys + half * p.count;
  const int32_t* values_in = p.values + half * p.count;
  uint64_t* keys_out = p.keys + (1 - half) * p.count;
  int32_t* values_out = p.values + (1 - half) * p.count;
  const bool count_up = p.count_up && p.pass == 0;

  const int thread = static_cast<int>(threadIdx.x);
  const int warp = thread / 32;
  const int lane = thread % 32;
  const unsigned below = (1u << lane) - 1;
  const int64_t tile = static_cast<int64_t>(blockIdx.x) * kTile;
  const int64_t left = p.count - tile;
  const int valid = left < kTile ? static_cast<int>(left) : kTile;
  uint16_t* own = warp_counts + warp * kDigits;
  for (int d = lane; d < kDigits; d += 32) own[d] = 0;

  // Beyond the end: the largest digit, and behind all others of it.
  uint64_t key[kItems];
  const int first = warp * 32 * kItems + lane;
#pragma unroll
  for (int j = 0; j < kItems; ++j) {
    const int i = first + j * 32;
    key[j] = i < valid ? keys_in[tile + i] : ~uint64_t{0};
  }
  __syncwarp();
  int place[kItems];  // in the tile
#pragma unroll
  for (int j = 0; j < kItems; ++j) {
    const int digit = DigitOf(p, key[j]);
    const unsigned peers = Peers(digit);
    const int rank = __popc(peers & below);
    const int before = own[digit];
    __syncwarp();
    if (rank == 0) own[digit] = static_cast<uint16_t>(before + __popc(peers));
    __syncwarp();
    place[j] = before + rank;
  }
  __syncthreads();
  {
    const bool has_digit = thread < kDigits;
    int sum = 0;
#pragma unroll 4
    for (int w = 0; w < kWarps && has_digit; ++w) {
      const int count = warp_counts[w * kDigits + thread];
      warp_counts[w * kDigits + thread] = static_cast<uint16_t>(sum);
      sum += count;
    }
    int all = 0;
    const int local = BlockExclusiveSum<kThreads>(sum, sums, &all);
    const int before = BlockExclusiveSum<kThreads>(
        has_digit ? p.totals[thread] : 0, sums, &all);
    if (has_digit) {
      offsets[thread] =
          before - local +
          p.counts[static_cast<int64_t>(thread) * gridDim.x + blockIdx.x];
#pragma unroll 4
      for (int w = 0; w < kWarps; ++w) {
        warp_counts[w * kDigits + thread] += static_cast<uint16_t>(local);
      }
    }
  }
  __syncthreads();
#pragma unroll
  for (int j = 0; j < kItems; ++j) {
    place[j] += own[DigitOf(p, key[j])];
    staged[place[j]] = key[j];
  }
  __syncthreads();
  int target[kItems];
#pragma unroll
  for (int j = 0; j < kItems; ++j) {
    const int i = j * kThreads + thread;
    const uint64_t k = staged[i];
    target[j] = offsets[DigitOf(p, k)] + i;
    if (i < valid) keys_out[target[j]] = k;
  }
  __syncthreads();
#pragma unroll
  for (int j = 0; j < kItems; ++j) {
    const int i = first + j * 32;
    if (i < valid) {
      staged[place[j]] =
          static_cast<uint64_t>(count_up ? tile + i : values_in[tile + i]);
    }
  }
  __syncthreads();
#pragma unroll
  for (int j = 0; j < kItems; ++j) {
    const int i = j * kThreads + thread;
    if (i < valid) values_out[target[j]] = static_cast<int32_t>(staged[i]);
  }
}

}  // namespace

size_t RadixSortScratchBytes(int64_t count) {
  return static_cast<size_t>(kDigits * (Tiles(count) + 1)) * sizeof(int32_t);
}

cudaError_t RadixSort(const RadixSortArguments& a, cudaStream_t stream) {
  const int64_t tiles = Tiles(a.count);
  Pass p = {a.keys, a.values, a.count, 0, a.bits, a.count_up, nullptr, nullptr};
  p.totals = static_cast<int32_t*>(a.scratch);
  p.counts = p.totals + kDigits;
  const unsigned grid = static_cast<unsigned>(tiles);
  for (; p.pass * kRadixBits < a.max_bits; ++p.pass) {
    cudaError_t error = Launch(CountDigits, grid, kThreads, 0, stream, p);
    if (error != cudaSuccess) return error;
    error = Launch(AddTiles, tiles > 0 ? kDigits : 0, kThreads, 0, stream, p,
                   static_cast<int>(tiles));
    if (error != cudaSuccess) return error;
    error = Launch(MovePairs, grid, kThreads, 0, stream, p);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

}  // namespace cuda
}  // namespace seg
