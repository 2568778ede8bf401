// How good proposals are, with the truth in hand (sections 10 and 11 of the
// fact sheet).
#ifndef SEGNET_RERANK_PROPOSAL_ACCURACY_H_
#define SEGNET_RERANK_PROPOSAL_ACCURACY_H_

#include <cstdint>

#include "ATen/core/Tensor.h"

namespace seg {
namespace segnet_rerank {

// Counts of pixels that give an IoU, TP / (TP + FP + FN): true positives, false
// positives and false negatives of each class, int64 [..,C,3]. Counts of images
// add up to those of the corpus.
//   labels: uint8 [M,H,W], < classes where the truth is known
//   truth: uint8 [H,W], < classes or ignore_label (pixels that do not count)
//   returns: int64 [M,C,3]
// On the CPU, any strides. Wrong labels throw. O(M H W), threads share the
// proposals.
at::Tensor CountByClass(const at::Tensor& labels, const at::Tensor& truth,
                        int64_t classes, int64_t ignore_label = 255);

// counts: int64 [..,C,3]. returns: float64 [..], the mean IoU over the classes
// that have a count (that are in truth or proposal); NaN where none has.
at::Tensor MeanIouOfCounts(const at::Tensor& counts);

// The accuracies that the ranker learns from, float64 [M] of int64 [M,C,3]:
// MeanIouOfCounts, and 0 in an image without a known pixel, whose proposals
// are equally good.
at::Tensor ProposalAccuracies(const at::Tensor& counts);

// The first of the most accurate ones among the first k proposals, or all
// where there are fewer: float64 [M], M >= 1, k >= 1. Its per-image accuracy
// never falls with k. (The IoU of a corpus is no sum over its images, so that
// of these picks may.)
int64_t OraclePick(const at::Tensor& accuracies, int64_t k);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_PROPOSAL_ACCURACY_H_
