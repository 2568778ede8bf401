// A linear scoring that puts the best item of each group first: a structural
// support vector machine over groups of candidates (Tsochantaridis et al. 2005,
// "Large margin methods for structured and interdependent output variables",
// Sec. 2.2).
//
//   RankingSvm svm = TrainRankingSvm(features, accuracies, group_sizes);
//   std::vector<int64_t> picks = RankFirst(svm.weights, features, group_sizes);
#ifndef COMMON_SOLVERS_RANKING_SVM_H_
#define COMMON_SOLVERS_RANKING_SVM_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/types/span.h"
#include "common/solvers/duality_gap.h"

namespace seg {

// The loss of a group. Its items m have features f_m and accuracies a_m; b is
// the item of the highest accuracy, the first of equals; L_m = a_b - a_m.
enum class RankingLoss {
  // max_m max(0, L_m - w.(f_b - f_m)): the margin grows with the loss.
  kMarginRescaled,
  // max_m L_m max(0, 1 - w.(f_b - f_m)): equal margins, errors weighed by loss.
  kSlackRescaled,
  // All pairs with a_m > a_k: the mean of max(0, 1 - w.(f_m - f_k)), weighed by
  // a_m - a_k. So each group has the same weight, whatever its pairs are.
  kPairwise,
};

struct RankingSvmOptions {
  RankingLoss loss = RankingLoss::kMarginRescaled;
  double c = 1.0;             // finite, > 0
  double tolerance = 1e-3;    // stop at this relative duality gap; > 0
  int64_t max_passes = 1000;  // or after these; >= 1
  uint64_t seed = 0;          // of the order of groups
};

struct RankingSvm {
  at::Tensor weights;  // float64 [F]
  // Where max_passes came first, Relative() exceeds the tolerance.
  DualityGap gap;
};

//   min_w  |w|^2 / 2 + c / n sum over the n groups of the loss of the group
//   features: float32 [N,F], contiguous, on the CPU; items of a group side by
//     side. Read only and not copied, so it may be mapped from a file. Finite;
//     groups without loss are not looked at.
//   accuracies: float32 or float64 [N], on the CPU, finite.
//   group_sizes: >= 1, of sum N. A group of one item, or of equal accuracies,
//     counts in n and has no loss. Items of equal accuracy are not compared.
// There is no bias: it would add to all scores of a group alike.
//
// Block coordinate ascent on the dual: group after group in random order, a
// group's multipliers move (by steps of SMO) until a tenth of its part of the
// duality gap is left. Differences of features are never formed: w is a sum of
// items, and what happens inside a group takes its items' scores and their
// inner products alone.
// A pass is O(N F) at most: between two looks at all constraints, those that
// hold w or were violated are visited. Before the first, O(sum of size^2 F) for
// the inner products. Many passes are needed where c is so large that all
// groups can be satisfied. Memory: 2 numbers per pair of items of the same
// group at most. Sums in double. A function of its arguments and the CPU's
// instruction set, whatever the number of threads.
RankingSvm TrainRankingSvm(const at::Tensor& features,
                           const at::Tensor& accuracies,
                           absl::Span<const int64_t> group_sizes,
                           const RankingSvmOptions& options = {});

// The objective above at any weights.
//   weights: float64 [F], contiguous, on the CPU.
double RankingObjective(const at::Tensor& weights, const at::Tensor& features,
                        const at::Tensor& accuracies,
                        absl::Span<const int64_t> group_sizes,
                        const RankingSvmOptions& options);

// For each group the item of the highest w.f, the first of equals, as its index
// inside the group. Arguments as above.
std::vector<int64_t> RankFirst(const at::Tensor& weights,
                               const at::Tensor& features,
                               absl::Span<const int64_t> group_sizes);

}  // namespace seg

#endif  // COMMON_SOLVERS_RANKING_SVM_H_
