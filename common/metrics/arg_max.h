// From class scores to labels.

#ifndef COMMON_METRICS_ARG_MAX_H_
#define COMMON_METRICS_ARG_MAX_H_

#include <ATen/core/Tensor.h>

namespace seg {

// The class of the greatest score at each pixel; of equals the lowest class. A
// NaN is greater than every number, as at::argmax has it.
//   scores: [L,H,W] or [N,L,H,W], any real type, strides and device; L in
//     1..256.
//   returns: uint8 [H,W] or [N,H,W], on the CPU, contiguous.
// O(scores). On the CPU it reads the scores in the order in which they lie
// (planes or channels last), without a copy; at::argmax over the first axis
// takes ten times as long.
at::Tensor ArgMaxLabels(const at::Tensor& scores);

}  // namespace seg

#endif  // COMMON_METRICS_ARG_MAX_H_
