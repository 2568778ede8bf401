#include "common/solvers/ranking_svm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/base/random.h"
#include "common/solvers/feature_rows.h"
#include "common/solvers/ranking_program.h"
#include "common/solvers/svm_arguments.h"

namespace seg {
namespace {

constexpr int64_t kGroupGrain = 16;  // groups, a piece of work
// Steps on each slack of a group before the next group's turn, at most, and the
// part of the group's gap that may be left then.
constexpr int64_t kSteps = 20;
constexpr double kGapLeft = 0.1;
// Passes over the active constraints between two looks at all, at most.
constexpr int64_t kActivePasses = 10;

double SquaredNorm(const std::vector<double>& w) {
  double sum = 0.0;
  for (const double x : w) sum += x * x;
  return sum;
}

// The sum over groups of what part(g, scratch) gives, in the order of groups.
struct Scratch {
  RankingProgram program;
  std::vector<double> scores;
};
template <typename Part>
double SumOverGroups(const RankingGroups& groups, const Part& part) {
  std::vector<double> parts(groups.count());
  at::parallel_for(0, groups.count(), kGroupGrain,
                   [&](int64_t begin, int64_t end) {
                     Scratch scratch;
                     for (int64_t g = begin; g < end; ++g) {
                       parts[g] = part(g, &scratch);
                     }
                   });
  double sum = 0.0;
  for (const double x : parts) sum += x;
  return sum;
}

double Primal(const RankingGroups& groups, const std::vector<double>& w,
              RankingLoss loss, double weight) {
  return 0.5 * SquaredNorm(w) +
         SumOverGroups(groups, [&](int64_t g, Scratch* scratch) {
           MakeRankingProgram(groups, g, loss, weight, &scratch->program);
           if (scratch->program.slacks.empty()) return 0.0;
           ScoreItems(groups, g, w.data(), &scratch->scores);
           return SlackCost(scratch->program, scratch->scores);
         });
}

class Solver {
 public:
  Solver(const RankingGroups& groups, const RankingSvmOptions& options)
      : groups_(groups),
        options_(options),
        weight_(options.c / static_cast<double>(groups.count())),
        w_(groups.size, 0.0) {
    // Where each group's multipliers and inner products begin.
    multipliers_begin_.push_back(0);
    products_begin_.push_back(0);
    for (int64_t g = 0; g < groups.count(); ++g) {
      MakeRankingProgram(groups, g, options.loss, weight_, &program_);
      const int64_t items = program_.slacks.empty() ? 0 : groups.items(g);
      multipliers_begin_.push_back(
          multipliers_begin_.back() +
          static_cast<int64_t>(program_.constraints.size()));
      products_begin_.push_back(products_begin_.back() +
                                items * (items + 1) / 2);
    }
    multipliers_.resize(multipliers_begin_.back(), 0.0);
    active_.resize(multipliers_begin_.back(), 0);
    products_.resize(products_begin_.back());
    at::parallel_for(0, groups.count(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; ++g) MultiplyItems(g);
    });
    for (int64_t g = 0; g < groups.count(); ++g) {
      TORCH_CHECK(std::all_of(products_.begin() + products_begin_[g],
                              products_.begin() + products_begin_[g + 1],
                              [](double x) { return std::isfinite(x); }),
                  "TrainRankingSvm: features must be finite, those of group ",
                  g, " are not");
    }
  }

  DualityGap Solve() {
    int64_t passes = 0;
    while (true) {
      const DualityGap gap{LookAtAll(), Dual(), passes};
      if (gap.primal - gap.dual <= options_.tolerance * gap.primal ||
          passes >= options_.max_passes) {
        return gap;
      }
      for (int64_t k = 0; k < kActivePasses && passes < options_.max_passes;
           ++k) {
        ++passes;
        if (Pass(passes) <= options_.tolerance) break;
      }
    }
  }

  const std::vector<double>& weights() const { return w_; }

 private:
  // The inner products of a group's items: f_m.f_k for k <= m, row by row.
  void MultiplyItems(int64_t g) {
    double* product = products_.data() + products_begin_[g];
    if (products_begin_[g] == products_begin_[g + 1]) return;
    for (int64_t m = 0; m < groups_.items(g); ++m) {
      for (int64_t k = 0; k <= m; ++k) {
        *product++ = Dot(groups_.item(g, m), groups_.item(g, k), groups_.size);
      }
    }
  }

  // The primal, as Primal above, and which constraints may move: those with a
  // multiplier, and those that are violated.
  double LookAtAll() {
    return 0.5 * SquaredNorm(w_) +
           SumOverGroups(groups_, [&](int64_t g, Scratch* scratch) {
             MakeRankingProgram(groups_, g, options_.loss, weight_,
                                &scratch->program);
             if (scratch->program.slacks.empty()) return 0.0;
             ScoreItems(groups_, g, w_.data(), &scratch->scores);
             int64_t k = multipliers_begin_[g];
             for (const RankingConstraint& c : scratch->program.constraints) {
               active_[k] =
                   multipliers_[k] > 0.0 || c.Violation(scratch->scores) > 0.0;
               ++k;
             }
             return SlackCost(scratch->program, scratch->scores);
           });
  }

  double Dual() const {
    return SumOverGroups(groups_,
                         [&](int64_t g, Scratch* scratch) {
                           MakeRankingProgram(groups_, g, options_.loss,
                                              weight_, &scratch->program);
                           double sum = 0.0;
                           const double* multiplier =
                               multipliers_.data() + multipliers_begin_[g];
                           for (const RankingConstraint& c :
                                scratch->program.constraints) {
                             sum += *multiplier++ * c.margin;
                           }
                           return sum;
                         }) -
           0.5 * SquaredNorm(w_);
  }

  // One turn for each group's active constraints. Returns an estimate of the
  // relative gap: each group's part is that at its turn.
  double Pass(int64_t pass) {
    double gap = 0.0, loss = 0.0;
    const uint64_t key =
        RandomKey({options_.seed, static_cast<uint64_t>(pass)});
    for (const int64_t g : RandomPermutation(groups_.count(), key)) {
      TakeActive(g);
      if (program_.slacks.empty()) continue;
      loss += SlackCost(program_, scores_);
      gap += Turn(g);
      for (size_t k = 0; k < kept_.size(); ++k) {
        multipliers_[kept_[k]] = current_[k];
      }
    }
    return gap / std::max(loss + 0.5 * SquaredNorm(w_),
                          std::numeric_limits<double>::min());
  }

  // Makes the program of group g of its active constraints alone, with their
  // multipliers and the scores of their items.
  void TakeActive(int64_t g) {
    MakeRankingProgram(groups_, g, options_.loss, weight_, &program_);
    kept_.clear();
    current_.clear();
    scores_.assign(groups_.items(g), 0.0);
    scored_.assign(groups_.items(g), 0);
    const auto score = [&](int64_t m) {
      if (scored_[m]) return;
      scored_[m] = 1;
      scores_[m] = Dot(groups_.item(g, m), w_.data(), groups_.size);
    };
    size_t slacks = 0;
    for (RankingSlack slack : program_.slacks) {
      const int64_t begin = static_cast<int64_t>(kept_.size());
      for (int64_t c = slack.begin; c < slack.end; ++c) {
        const int64_t k = multipliers_begin_[g] + c;
        if (!active_[k]) continue;
        const RankingConstraint constraint = program_.constraints[c];
        score(constraint.better);
        score(constraint.worse);
        program_.constraints[kept_.size()] = constraint;
        kept_.push_back(k);
        current_.push_back(multipliers_[k]);
      }
      slack.begin = begin;
      slack.end = static_cast<int64_t>(kept_.size());
      if (slack.begin < slack.end) program_.slacks[slacks++] = slack;
    }
    program_.constraints.resize(kept_.size());
    program_.slacks.resize(slacks);
  }

  // Optimises the multipliers of a group, those of others fixed, until a tenth
  // of its part of the gap is left. Returns its part at the beginning.
  double Turn(int64_t g) {
    const int64_t items = groups_.items(g);
    const double* product = products_.data() + products_begin_[g];
    gram_.resize(items * items);
    for (int64_t m = 0; m < items; ++m) {
      for (int64_t k = 0; k <= m; ++k) {
        gram_[m * items + k] = gram_[k * items + m] = *product++;
      }
    }
    change_.assign(items, 0.0);
    double* multipliers = current_.data();
    double first = 0.0;
    for (int64_t step = 0; step < kSteps; ++step) {
      double gap = 0.0;
      for (const RankingSlack& slack : program_.slacks) {
        gap += Step(slack, multipliers);
      }
      if (step == 0) first = gap;
      if (gap <= kGapLeft * first) break;
    }
    for (int64_t m = 0; m < items; ++m) {
      if (change_[m] == 0.0) continue;
      AddScaled(change_[m], groups_.item(g, m), groups_.size, w_.data());
    }
    return first;
  }

  // Moves weight to the most violated constraint from the least violated one
  // that has some, the best amount (a step of SMO). What the multipliers leave
  // of the slack's weight counts as one more constraint, of violation 0.
  // Returns the slack's part of the gap before.
  double Step(const RankingSlack& slack, double* multipliers) {
    int64_t up = -1, down = -1;  // -1: what is left
    double most = 0.0, least = std::numeric_limits<double>::infinity();
    double used = 0.0, gap = 0.0;
    for (int64_t c = slack.begin; c < slack.end; ++c) {
      const double violation = program_.constraints[c].Violation(scores_);
      if (violation > most) up = c, most = violation;
      if (multipliers[c] == 0.0) continue;
      used += multipliers[c];
      gap -= multipliers[c] * violation;
      if (violation < least) down = c, least = violation;
    }
    gap += slack.weight * most;
    double available = down < 0 ? 0.0 : multipliers[down];
    // Rounding of the sum must not look like something left.
    const double left = slack.weight - used;
    if (least >= 0.0 && left > 1e-12 * slack.weight) {
      down = -1;
      least = 0.0;
      available = left;
    }
    if (up == down || !(most > least)) return gap;
    const double curvature = SquaredDistance(up, down);
    const double step = curvature * available > most - least
                            ? (most - least) / curvature
                            : available;
    Move(up, step, multipliers);
    Move(down, -step, multipliers);
    return gap;
  }

  // d_a.d_b of the constraints' differences d = scale (f_better - f_worse).
  double Inner(int64_t a, int64_t b) const {
    if (a < 0 || b < 0) return 0.0;
    const RankingConstraint& s = program_.constraints[a];
    const RankingConstraint& t = program_.constraints[b];
    const int64_t items = static_cast<int64_t>(scores_.size());
    const double* better = gram_.data() + s.better * items;
    const double* worse = gram_.data() + s.worse * items;
    return s.scale * t.scale *
           ((better[t.better] - better[t.worse]) -
            (worse[t.better] - worse[t.worse]));
  }

  double SquaredDistance(int64_t a, int64_t b) const {
    return Inner(a, a) + Inner(b, b) - 2.0 * Inner(a, b);
  }

  void Move(int64_t c, double step, double* multipliers) {
    if (c < 0) return;
    multipliers[c] += step;
    const RankingConstraint& constraint = program_.constraints[c];
    const double by = step * constraint.scale;
    change_[constraint.better] += by;
    change_[constraint.worse] -= by;
    const int64_t items = static_cast<int64_t>(scores_.size());
    const double* better = gram_.data() + constraint.better * items;
    const double* worse = gram_.data() + constraint.worse * items;
    for (int64_t m = 0; m < items; ++m) {
      scores_[m] += by * (better[m] - worse[m]);
    }
  }

  const RankingGroups& groups_;
  const RankingSvmOptions options_;
  const double weight_;    // of a group's loss
  std::vector<double> w_;  // sum of multipliers times differences
  std::vector<int64_t> multipliers_begin_, products_begin_;  // [groups + 1]
  std::vector<double> multipliers_, products_;
  std::vector<uint8_t> active_;  // [multipliers]
  // Of the group whose turn it is.
  RankingProgram program_;
  std::vector<int64_t> kept_;    // where its multipliers lie
  std::vector<double> current_;  // their values
  std::vector<double> scores_;   // w.f of each item
  std::vector<uint8_t> scored_;  // whether it is known
  std::vector<double> gram_;     // [items, items]
  std::vector<double> change_;   // what w gains of each item
};

std::vector<double> CheckWeights(const char* caller, const at::Tensor& weights,
                                 int64_t size) {
  TORCH_CHECK(weights.dim() == 1 && weights.size(0) == size &&
                  weights.scalar_type() == at::kDouble && weights.is_cpu() &&
                  weights.is_contiguous(),
              caller, ": weights must be float64 [", size,
              "], contiguous, on the CPU, got ", weights.scalar_type(), " ",
              weights.sizes(), " on ", weights.device());
  const double* data = weights.const_data_ptr<double>();
  return std::vector<double>(data, data + size);
}

}  // namespace

RankingSvm TrainRankingSvm(const at::Tensor& features,
                           const at::Tensor& accuracies,
                           absl::Span<const int64_t> group_sizes,
                           const RankingSvmOptions& options) {
  constexpr char kCaller[] = "TrainRankingSvm";
  RankingGroups groups = MakeRankingGroups(kCaller, features, group_sizes);
  SetAccuracies(kCaller, accuracies, &groups);
  CheckSvmOptions(kCaller, options.c, options.tolerance, options.max_passes);
  Solver solver(groups, options);
  RankingSvm svm;
  svm.gap = solver.Solve();
  svm.weights = at::tensor(solver.weights(), at::kDouble);
  return svm;
}

double RankingObjective(const at::Tensor& weights, const at::Tensor& features,
                        const at::Tensor& accuracies,
                        absl::Span<const int64_t> group_sizes,
                        const RankingSvmOptions& options) {
  constexpr char kCaller[] = "RankingObjective";
  RankingGroups groups = MakeRankingGroups(kCaller, features, group_sizes);
  SetAccuracies(kCaller, accuracies, &groups);
  CheckSvmOptions(kCaller, options.c, options.tolerance, options.max_passes);
  return Primal(groups, CheckWeights(kCaller, weights, groups.size),
                options.loss, options.c / static_cast<double>(groups.count()));
}

std::vector<int64_t> RankFirst(const at::Tensor& weights,
                               const at::Tensor& features,
                               absl::Span<const int64_t> group_sizes) {
  constexpr char kCaller[] = "RankFirst";
  const RankingGroups groups =
      MakeRankingGroups(kCaller, features, group_sizes);
  const std::vector<double> w = CheckWeights(kCaller, weights, groups.size);
  std::vector<int64_t> picks;
  std::vector<double> scores;
  for (int64_t g = 0; g < groups.count(); ++g) {
    ScoreItems(groups, g, w.data(), &scores);
    picks.push_back(std::max_element(scores.begin(), scores.end()) -
                    scores.begin());
  }
  return picks;
}

}  // namespace seg
