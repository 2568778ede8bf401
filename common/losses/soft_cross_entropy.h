// Cross-entropy against soft targets, summed, and the targets of lower
// resolutions.

#ifndef COMMON_LOSSES_SOFT_CROSS_ENTROPY_H_
#define COMMON_LOSSES_SOFT_CROSS_ENTROPY_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace seg {

// - sum t log softmax(scores), a scalar: a sum over pixels and images, not a
// mean, as a log-likelihood is.
//   scores: [N, C, ...] float32 or float64, any strides.
//   target: [N, C, ...] of the same sizes and type, >= 0: the weights of the
//           classes of each pixel, 1 together or, for void, all zero: such a
//           pixel has exactly zero loss and zero gradient.
// Differentiable in scores, any number of times; the target is a constant. The
// gradient is sum(t) softmax(scores) - t.
at::Tensor SoftCrossEntropySum(const at::Tensor& scores,
                               const at::Tensor& target);

// The target of a prediction at 1 / 2^levels of the resolution (Sohn et al.
// 2015, Sec. 4.2 and the authors' code): `levels` times the maximum over 2 x 2
// blocks, then the channels of each pixel divided by their sum. Of a one-hot
// map: the classes that are present in a block share it equally, whatever their
// areas. A block that is all void stays all zero.
//   target: [N, C, H, W] float32 or float64, >= 0; H and W multiples of
//           2^levels; not differentiated.
//   returns [N, C, H / 2^levels, W / 2^levels]
// Two levels of a full-resolution map are not one level of its half-resolution
// target, which has been divided already: (1/2, 1/2) next to (1, 0) gives
// (2/3, 1/3) there.
at::Tensor LabelPyramidDown(const at::Tensor& target, int64_t levels = 1);

}  // namespace seg

#endif  // COMMON_LOSSES_SOFT_CROSS_ENTROPY_H_
