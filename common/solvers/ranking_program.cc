#include "common/solvers/ranking_program.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>

#include "common/solvers/feature_rows.h"
#include "common/solvers/svm_arguments.h"

namespace seg {

RankingGroups MakeRankingGroups(const char* caller, const at::Tensor& features,
                                absl::Span<const int64_t> group_sizes) {
  RankingGroups groups;
  groups.features = FeatureRows(caller, features);
  groups.size = features.size(1);
  groups.first.push_back(0);
  for (const int64_t size : group_sizes) {
    const int64_t left = features.size(0) - groups.first.back();
    TORCH_CHECK(size >= 1 && size <= left, caller,
                ": group_sizes must be >= 1 and sum to the ", features.size(0),
                " rows of features, got ", size, " for group ", groups.count(),
                " with ", left, " rows left");
    groups.first.push_back(groups.first.back() + size);
  }
  TORCH_CHECK(groups.first.back() == features.size(0), caller,
              ": group_sizes must sum to the ", features.size(0),
              " rows of features, got ", groups.first.back());
  return groups;
}

void SetAccuracies(const char* caller, const at::Tensor& accuracies,
                   RankingGroups* groups) {
  const int64_t count = groups->first.back();
  const at::Tensor values =
      FiniteDoubles(caller, "accuracies", accuracies, 1, count);
  const double* data = values.const_data_ptr<double>();
  groups->accuracies.assign(data, data + count);
}

void ScoreItems(const RankingGroups& groups, int64_t g, const double* w,
                std::vector<double>* scores) {
  scores->resize(groups.items(g));
  for (int64_t m = 0; m < groups.items(g); ++m) {
    (*scores)[m] = Dot(groups.item(g, m), w, groups.size);
  }
}

// All forms of the loss are of one kind: slacks with constraints.
void MakeRankingProgram(const RankingGroups& groups, int64_t g,
                        RankingLoss loss, double weight,
                        RankingProgram* program) {
  program->constraints.clear();
  program->slacks.clear();
  const double* a = groups.accuracies.data() + groups.first[g];
  const int64_t items = groups.items(g);
  if (loss == RankingLoss::kPairwise) {
    double total = 0.0;
    for (int64_t m = 0; m < items; ++m) {
      for (int64_t k = 0; k < m; ++k) {
        const double difference = std::abs(a[m] - a[k]);
        if (difference == 0.0) continue;
        const int64_t next = static_cast<int64_t>(program->constraints.size());
        program->constraints.push_back(a[m] > a[k] ? RankingConstraint{m, k}
                                                   : RankingConstraint{k, m});
        program->slacks.push_back({next, next + 1, difference});
        total += difference;
      }
    }
    for (RankingSlack& slack : program->slacks) slack.weight *= weight / total;
    return;
  }
  const int64_t best = std::max_element(a, a + items) - a;
  for (int64_t m = 0; m < items; ++m) {
    const double difference = a[best] - a[m];
    if (difference == 0.0) continue;
    program->constraints.push_back(
        {best, m, loss == RankingLoss::kSlackRescaled ? difference : 1.0,
         difference});
  }
  const int64_t count = static_cast<int64_t>(program->constraints.size());
  if (count > 0) program->slacks.push_back({0, count, weight});
}

double SlackCost(const RankingProgram& program,
                 const std::vector<double>& scores) {
  double sum = 0.0;
  for (const RankingSlack& slack : program.slacks) {
    double most = 0.0;
    for (int64_t c = slack.begin; c < slack.end; ++c) {
      most = std::max(most, program.constraints[c].Violation(scores));
    }
    sum += slack.weight * most;
  }
  return sum;
}

}  // namespace seg
