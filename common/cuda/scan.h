// Prefix sums on the device.
#ifndef COMMON_CUDA_SCAN_H_
#define COMMON_CUDA_SCAN_H_

#include <cstdint>

#include "common/cuda/runtime.h"

namespace seg {
namespace cuda {

// Replaces each entry of every row of data [rows][columns] (contiguous, device)
// by the sum of the row's entries before it, and writes the rows' sums to
// totals [rows], which may be null. A block a row: for rows of up to some ten
// thousand entries. Sums must stay below 2^31. rows < 2^31.
cudaError_t ExclusiveScanRows(int32_t* data, int64_t rows, int64_t columns,
                              int32_t* totals, cudaStream_t stream);

}  // namespace cuda
}  // namespace seg

#endif  // COMMON_CUDA_SCAN_H_
