// Sums over the threads before this one, for kernels (include in a .cu only).
#ifndef COMMON_CUDA_BLOCK_SCAN_H_
#define COMMON_CUDA_BLOCK_SCAN_H_

#include "common/cuda/kernel.h"

namespace seg {
namespace cuda {

// Sum of x over the lanes up to and with this one; all 32 take part.
__device__ inline int WarpInclusiveSum(int x) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  for (int step = 1; step < 32; step *= 2) {
    const int other = __shfl_up_sync(~0u, x, step);
    if (lane >= step) x += other;
  }
  return x;
}

// Sum of x over the threads of the block before this one, and over all of them
// in *total. The block has THREADS threads along x, a multiple of 32; all take
// part. `sums`: THREADS / 32 shared ints, free again when it returns.
template <int THREADS>
__device__ inline int BlockExclusiveSum(int x, int* sums, int* total) {
  constexpr int kWarps = THREADS / 32;
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int warp = static_cast<int>(threadIdx.x / 32);
  const int inclusive = WarpInclusiveSum(x);
  if (lane == 31) sums[warp] = inclusive;
  __syncthreads();
  int before = 0;
  int all = 0;
  for (int w = 0; w < kWarps; ++w) {
    if (w == warp) before = all;
    all += sums[w];
  }
  *total = all;
  __syncthreads();
  return before + inclusive - x;
}

}  // namespace cuda
}  // namespace seg

#endif  // COMMON_CUDA_BLOCK_SCAN_H_
