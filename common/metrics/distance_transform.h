// Exact Euclidean distance transform of a binary image.

#ifndef COMMON_METRICS_DISTANCE_TRANSFORM_H_
#define COMMON_METRICS_DISTANCE_TRANSFORM_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>

namespace seg {

// Squared distance of a pixel that has no source.
constexpr int64_t kNoSource = std::numeric_limits<int64_t>::max();

// sources: bool [H, W], any strides and device; the result is on the CPU.
// returns: int64 [H, W], the squared Euclidean distance (pixel centre to pixel
//   centre) to the nearest true pixel, 0 at true pixels; kNoSource everywhere
//   if no pixel is true. Exact, in integers. O(H W). (Meijster, Roerdink and
//   Hesselink 2000, "A general algorithm for computing distance transforms in
//   linear time".)
at::Tensor SquaredDistanceTransform(const at::Tensor& sources);

}  // namespace seg

#endif  // COMMON_METRICS_DISTANCE_TRANSFORM_H_
