#include "common/cuda/block_scan.h"
#include "common/cuda/kernel.h"
#include "common/cuda/scan.h"

namespace seg {
namespace cuda {
namespace {

constexpr int kThreads = 512;

__global__ void __launch_bounds__(kThreads)
    ScanRows(int32_t* data, int64_t columns, int32_t* totals) {
  SEG_SHARED(int, sums, kThreads / 32);
  int32_t* row = data + blockIdx.x * columns;
  int carry = 0;
  for (int64_t begin = 0; begin < columns; begin += kThreads) {
    const int64_t at = begin + threadIdx.x;
    const int value = at < columns ? row[at] : 0;
    int total = 0;
    const int before = BlockExclusiveSum<kThreads>(value, sums, &total);
    if (at < columns) row[at] = carry + before;
    carry += total;
  }
  if (totals != nullptr && threadIdx.x == 0) totals[blockIdx.x] = carry;
}

}  // namespace

cudaError_t ExclusiveScanRows(int32_t* data, int64_t rows, int64_t columns,
                              int32_t* totals, cudaStream_t stream) {
  return Launch(ScanRows, static_cast<unsigned>(rows), kThreads, 0, stream,
                data, columns, totals);
}

}  // namespace cuda
}  // namespace seg
