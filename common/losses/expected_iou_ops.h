// The raw operators of expected_iou.h, as the dispatcher has them: no autograd,
// kernels for the CPU and for Meta (internal).
#ifndef COMMON_LOSSES_EXPECTED_IOU_OPS_H_
#define COMMON_LOSSES_EXPECTED_IOU_OPS_H_

#include <ATen/core/Tensor.h>

#include "common/losses/expected_iou.h"

namespace seg {
namespace expected_iou {

enum class Ratio { kIou, kUoi };

// For messages.
const char* Name(Ratio ratio);
void CheckShare(bool is_valid, Ratio ratio, double share);

struct ForwardResult {
  at::Tensor value;   // a scalar
  at::Tensor counts;  // counted, skipped, raised: [3]
  // For the backward pass: the softmax of the scores, and the slopes of the
  // kernel for each class of each group.
  at::Tensor p, slopes;
};

// scores and target: of the same sizes, not empty.
ForwardResult Forward(const at::Tensor& scores, const at::Tensor& target,
                      Ratio ratio, const ExpectedIouOptions& options);

// The gradient of scores from that of the value.
at::Tensor Backward(const at::Tensor& g, const ForwardResult& forward,
                    const at::Tensor& target,
                    const ExpectedIouOptions& options);

}  // namespace expected_iou
}  // namespace seg

#endif  // COMMON_LOSSES_EXPECTED_IOU_OPS_H_
