// Kernels for the emulator's own tests: right ones, and ones with one fault
// each, which their names tell.
#ifndef COMMON_TESTING_CUDA_EMULATOR_TEST_KERNELS_H_
#define COMMON_TESTING_CUDA_EMULATOR_TEST_KERNELS_H_

#include "common/cuda/runtime.h"

namespace seg::cuda::test_kernels {

// sum[0] = sum of x[0..n): a block's tree in static shared memory, then an
// atomic addition.
cudaError_t Sum(const int* x, int n, int* sum, cudaStream_t stream);

// y[i] = x[0] + ... + x[i] within each block of 96: shuffles, dynamic memory.
cudaError_t Scan(const float* x, int blocks, float* y, cudaStream_t stream);

// Row sums of x[blocks][n], in order of blocks: the last block to arrive adds
// what the others left in `partial`.
cudaError_t LastBlockAdds(const float* x, int blocks, int n, float* partial,
                          unsigned* arrived, bool fence, float* sum,
                          cudaStream_t stream);

// For each of 32 lanes: ballot, any, all and match of x, shuffles of all kinds
// in the lower and the upper half, with the half's mask.
cudaError_t Votes(const int* x, int* y, cudaStream_t stream);

// A set of keys in a table of `size` words (0: free), by compare and swap.
cudaError_t InsertKeys(const unsigned* keys, int n, unsigned* table, int size,
                       unsigned* count, cudaStream_t stream);

// y[block][i] = x[block of the mirrored rank in its cluster][i], by distributed
// shared memory, static and dynamic.
enum class ClusterFault { kNone, kNoSyncBefore, kNoSyncAfter };
cudaError_t MirrorInCluster(const float* x, int blocks, int cluster,
                            ClusterFault fault, float* y, cudaStream_t stream);

// y = 2 x in rounds of a ring of three asynchronous copies.
enum class RingFault { kNone, kNoWait, kNoBarrier, kOverwritesTooEarly };
cudaError_t Ring(const float* x, int rounds, RingFault fault, float* y,
                 cudaStream_t stream);

enum class Fault {
  kNone,
  kMissingBarrier,
  kMissingSecondBarrier,
  kMissingWarpBarrier,
  kPlainIncrement,
  kDivergentReturn,
  kDivergentSite,
  kSharedBelow,
  kSharedAbove,
  kDynamicAbove,
  kUnwritten,
  kGlobalAbove,
  kMisaligned,
  kLaneAbsent,
  kLaneReturned,
  kLaneOutsideMask,
  kLaneMissing,
  kNotInMask,
  kTrap,
  kEndlessLoop,
};
// Reverses x[64] into y[64]; with a fault it does so wrongly, or not.
cudaError_t Reverse(Fault fault, const float* x, float* y, cudaStream_t stream);

cudaError_t Nothing(unsigned grid, unsigned block, unsigned shared_bytes,
                    int cluster, cudaStream_t stream);
cudaError_t TooMuchStatic(unsigned dynamic_bytes, cudaStream_t stream);

}  // namespace seg::cuda::test_kernels

#endif  // COMMON_TESTING_CUDA_EMULATOR_TEST_KERNELS_H_
