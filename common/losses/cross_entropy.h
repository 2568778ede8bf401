// Cross-entropy of per-pixel class predictions, the loss of every segmentation
// network here.
#ifndef COMMON_LOSSES_CROSS_ENTROPY_H_
#define COMMON_LOSSES_CROSS_ENTROPY_H_

#include <cstdint>

#include "ATen/core/Tensor.h"

namespace seg {

enum class Reduction {
  kMean,  // over the pixels that count
  kSum,
};

// What the first argument holds.
enum class PredictionKind {
  kScores,            // logits: a log-soft-max is applied
  kLogProbabilities,  // taken as they are
  kProbabilities,     // log of the value clamped to [clamp, 1]
};

struct CrossEntropyOptions {
  PredictionKind kind = PredictionKind::kScores;
  Reduction reduction = Reduction::kMean;
  int64_t ignore_label = 255;
  // kProbabilities only: lower bound before the logarithm. The gradient is zero
  // where the bound (or the value 1) is active.
  double clamp = 1e-3;
};

// -log p of the target class over the pixels whose target is not ignore_label.
//   predictions: [N,L,H,W] float32 or float64, any strides
//   targets:     [N,H,W] int64, 0 .. L-1 or ignore_label
//   returns:     scalar; exactly 0, with zero gradient, where no pixel counts
// Differentiable in `predictions`. O(N L H W). Throws for wrong shapes, dtypes
// and for labels outside the classes (naming the value).
at::Tensor CrossEntropy(
    const at::Tensor& predictions, const at::Tensor& targets,
    const CrossEntropyOptions& options = CrossEntropyOptions());

}  // namespace seg

#endif  // COMMON_LOSSES_CROSS_ENTROPY_H_
