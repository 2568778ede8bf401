// The ranking SVM's problem as its solver sees it (internal): groups of items,
// and for each group a small program of constraints and slacks.
#ifndef COMMON_SOLVERS_RANKING_PROGRAM_H_
#define COMMON_SOLVERS_RANKING_PROGRAM_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/types/span.h"
#include "common/solvers/ranking_svm.h"

namespace seg {

// The items, group by group. Their features are read where they lie.
struct RankingGroups {
  const float* features = nullptr;
  int64_t size = 0;                // of an item's features
  std::vector<double> accuracies;  // [N]
  std::vector<int64_t> first;      // [groups + 1], items

  int64_t count() const { return static_cast<int64_t>(first.size()) - 1; }
  int64_t items(int64_t g) const { return first[g + 1] - first[g]; }
  const float* item(int64_t g, int64_t m) const {
    return features + (first[g] + m) * size;
  }
};

// Without accuracies. Throws c10::Error where an argument is not as
// ranking_svm.h says; `caller` begins the message.
RankingGroups MakeRankingGroups(const char* caller, const at::Tensor& features,
                                absl::Span<const int64_t> group_sizes);
void SetAccuracies(const char* caller, const at::Tensor& accuracies,
                   RankingGroups* groups);

// w.f of the items of group g.
void ScoreItems(const RankingGroups& groups, int64_t g, const double* w,
                std::vector<double>* scores);

// scale w.(f_better - f_worse) >= margin - slack
struct RankingConstraint {
  int64_t better = 0, worse = 0;
  double scale = 1.0, margin = 1.0;

  double Violation(const std::vector<double>& scores) const {
    return margin - scale * (scores[better] - scores[worse]);
  }
};

// Constraints that share a slack, which costs `weight`. In the dual each has a
// multiplier >= 0; they sum to the weight at most.
struct RankingSlack {
  int64_t begin = 0, end = 0;
  double weight = 0.0;
};

struct RankingProgram {
  std::vector<RankingConstraint> constraints;
  std::vector<RankingSlack> slacks;
};

// The program of group g whose slacks cost `weight` in all. Without slacks
// where no two accuracies differ.
void MakeRankingProgram(const RankingGroups& groups, int64_t g,
                        RankingLoss loss, double weight,
                        RankingProgram* program);

// The cost of the least slacks that these scores of the items permit.
double SlackCost(const RankingProgram& program,
                 const std::vector<double>& scores);

}  // namespace seg

#endif  // COMMON_SOLVERS_RANKING_PROGRAM_H_
