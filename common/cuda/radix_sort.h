// A stable sort of (64-bit key, 32-bit value) pairs on the device, least
// significant digit first, eight bits a pass. Deterministic. What the number of
// passes depends on may be known to the device alone.
#ifndef COMMON_CUDA_RADIX_SORT_H_
#define COMMON_CUDA_RADIX_SORT_H_

#include <cstddef>
#include <cstdint>

#include "common/cuda/runtime.h"

namespace seg {
namespace cuda {

constexpr int kRadixBits = 8;

struct RadixSortArguments {
  int64_t count = 0;  // pairs, below 2^31
  // [2][count] each: the input is the first half; the result is the half that
  // RadixSortHalf says, the other one is overwritten.
  uint64_t* keys = nullptr;
  int32_t* values = nullptr;
  // The values of the input are 0, 1, 2 ..: the first half need not be filled.
  bool count_up = false;
  // Only the low bits of the keys are looked at: the least of these two.
  int max_bits = 64;          // passes are launched for these
  const int* bits = nullptr;  // on the device; null: max_bits
  void* scratch = nullptr;    // RadixSortScratchBytes(count)
};

size_t RadixSortScratchBytes(int64_t count);

cudaError_t RadixSort(const RadixSortArguments& arguments, cudaStream_t stream);

// 0 or 1, for the number of bits that was sorted by.
__host__ __device__ inline int RadixSortHalf(int bits) {
  return (bits + kRadixBits - 1) / kRadixBits % 2;
}

}  // namespace cuda
}  // namespace seg

#endif  // COMMON_CUDA_RADIX_SORT_H_
