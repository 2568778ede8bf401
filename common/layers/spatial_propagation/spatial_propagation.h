// Spatial propagation: a linear recurrence over the image in four directions,
// with one learned weight (one-way) or three (three-way) for each pixel,
// channel and direction, merged by maximum.
//
//   x:       [N, C, H, W] float32 or float64, any strides, on the CPU or, in a
//            build with --config=cuda, on a GPU.
//   gates:   [N, 4 K C, H, W], dtype and device of x, any strides; on a GPU
//            also bfloat16 beside a float32 x. K = 1 for one-way, 3 for
//            three-way. Twelve (four) blocks of C channels:
//              [left to right g_-1, g_0, g_+1 | right to left ... |
//               top to bottom ... | bottom to top ...]
//   returns: [N, C, H, W], dense; on the CPU channels last where the gates are
//            (C >= 4), else contiguous.
//
// In scan coordinates (step t, lane i; lanes are rows in the horizontal and
// columns in the vertical directions, always counted from the top or left):
//   h[i,0] = x[i,0]
//   h[i,t] = (1 - sum_k p_k) x[i,t] + sum_k p_k h[i+k,t-1],   k in {-1, 0, +1}
// with the gates p_k[i,t], stored at the receiving pixel, made from the raw
// ones by options.normalization(). A gate whose source lane or step is outside
// the image counts as zero everywhere: in both sums, and in S unless
// options.sum_all_gates(); whatever it holds, NaN included, is not looked at
// and its gradient is zero. The difference form x + sum_k p_k (h - x) is
// computed: a constant image is returned bit for bit.
//
//   out = max over the four directions of h.
//
// Ties, gradient: at equal values the first direction in the order above wins
// and receives the whole gradient. A NaN in any direction makes the output NaN
// (the first such direction wins). With e the gradient of h, including what
// later steps send back,
//   dx[i,t] = (1 - sum_k p_k) e[i,t],   dp_k[i,t] = e[i,t] (h[i+k,t-1] -
//   x[i,t])
// and dg from dp by the rule. Differentiable in x and gates, once: a graph of
// the gradients may be recorded, differentiating that is refused with an error.
//
// Bounds: with sum |p| <= 1, |h[.,t]| <= (2 t + 1) max |x| (t from 0; reached
// with p = -1 and alternating x); with p >= 0 in addition h stays in
// [min x, max x].
//
// Cost: linear in N C H W; 10 (forward) and 17 (backward) flops an element and
// direction plus the rule, so memory bound. Memory: forward allocates the
// output and one scratch block, a few lines a thread in channels last, three
// transposed maps of one channel and a few lines in planes; for a backward pass
// it also keeps one byte an element (the winning direction) and states:
// channels last those of every step (4 elements an element), planes those of
// every 16th (1/4). Backward allocates the two gradients and such a scratch
// block (planes: four maps). Channels-last gates (or any with channel stride 1)
// of 4 or more channels are read in place, as are planes with column stride 1;
// other strides, and an x that is not laid out like the gates, are copied
// first. Threads split images and channels (blocks of 16); where channels last
// has fewer images than threads, first the directions, with two maps like x in
// the scratch block. The result does not depend on their number by a bit. All
// of this is the CPU's; on a GPU, which the README describes, what is not
// contiguous is copied, and the forward pass keeps a byte and half an element
// an element for the backward pass.
//
// Source: Liu et al. 2017, "Learning Affinity via Spatial Propagation
// Networks", Sec. 3; border rule and order of the gates from the authors' code.
// The sum of all gates stands in 1 - sum p (the paper's formula as printed
// leaves out the centre, against its own Theorem 1).

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_H_

#include <ATen/core/Tensor.h>
#include <torch/arg.h>

#include "common/layers/spatial_propagation/gate_normalization.h"

namespace seg {

struct SpatialPropagationOptions {
  // Three gates a direction, else one.
  TORCH_ARG(bool, three_way) = true;
  // The published three-way models divide; one-way needs kClamp, kTanh or kNone
  // and a comparison of the two the same rule for both.
  TORCH_ARG(GateNormalization, normalization) = GateNormalization::kDivide;
  // S over all three raw gates, as in the released code, not only over those
  // with a source inside the image. Unused gates then reach S (a NaN leaks) and
  // receive a gradient through it.
  TORCH_ARG(bool, sum_all_gates) = false;
};

enum class ScanDirection {
  kLeftToRight,
  kRightToLeft,
  kTopToBottom,
  kBottomToTop,
};

at::Tensor SpatialPropagation(
    const at::Tensor& x, const at::Tensor& gates,
    const SpatialPropagationOptions& options = SpatialPropagationOptions());

// h of one direction alone, gates [N, K C, H, W]. Differentiable.
at::Tensor SpatialPropagationScan(
    const at::Tensor& x, const at::Tensor& gates, ScanDirection direction,
    const SpatialPropagationOptions& options = SpatialPropagationOptions());

// Channels of the gates of SpatialPropagation for x with `channels`: 12 or 4
// times as many.
int64_t SpatialPropagationGateChannels(
    int64_t channels, const SpatialPropagationOptions& options);

}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_H_
