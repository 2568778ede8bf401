#include "common/solvers/linear_svm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "common/base/random.h"
#include "common/solvers/feature_rows.h"
#include "common/solvers/svm_arguments.h"

namespace seg {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Passes over the active examples between two looks at all of them, at most.
constexpr int64_t kActivePasses = 20;

// The examples' features with the constant one.
struct Rows {
  const float* data = nullptr;
  int64_t count = 0, size = 0;
  double constant = 0.0;
  std::vector<double> norms;  // [count], squared

  const float* row(int64_t i) const { return data + i * size; }
};

// An example loses cost * (distance of its score from [low, high])^2. Both
// problems are of this kind. In the dual, w = sum of beta x, and
//   D = sum of (low beta or high beta, as beta > 0 or < 0) - beta^2 / (4 cost)
//       - |w|^2 / 2.
struct Example {
  double low = 0.0, high = 0.0, cost = 0.0;
  double beta = 0.0;

  double Edge() const {
    return beta > 0.0 ? low * beta : beta < 0.0 ? high * beta : 0.0;
  }
  double Loss(double score) const {
    const double distance = std::max({low - score, score - high, 0.0});
    return cost * distance * distance;
  }
  // The example's part of the duality gap, >= 0.
  double Gap(double score) const {
    return Loss(score) + beta * beta / (4.0 * cost) - Edge() + beta * score;
  }
};

class Machine {
 public:
  Machine(const Rows& rows, std::vector<Example> examples)
      : rows_(rows), examples_(std::move(examples)), w_(rows.size, 0.0) {}

  DualityGap Solve(const LinearSvmOptions& options) {
    int64_t passes = 0;
    while (true) {
      DualityGap gap = LookAtAll();
      gap.passes = passes;
      if (gap.primal - gap.dual <= options.tolerance * gap.primal ||
          passes >= options.max_passes) {
        return gap;
      }
      for (int64_t k = 0; k < kActivePasses && passes < options.max_passes;
           ++k) {
        ++passes;
        if (Pass(RandomKey({options.seed, static_cast<uint64_t>(passes)})) <=
            0.5 * options.tolerance) {
          break;
        }
      }
    }
  }

  const std::vector<double>& weights() const { return w_; }
  double bias() const { return w_constant_ * rows_.constant; }

 private:
  double Score(int64_t i) const {
    return Dot(rows_.row(i), w_.data(), rows_.size) + bias();
  }

  double SquaredNorm() const {
    double sum = w_constant_ * w_constant_;
    for (const double w : w_) sum += w * w;
    return sum;
  }

  // The gap, and the examples that may move: those that w is made of, and
  // those outside their bands.
  DualityGap LookAtAll() {
    active_.clear();
    const double norm = 0.5 * SquaredNorm();
    DualityGap gap{norm, -norm};
    for (int64_t i = 0; i < rows_.count; ++i) {
      const Example& example = examples_[i];
      if (example.cost == 0.0) continue;
      const double loss = example.Loss(Score(i));
      gap.primal += loss;
      gap.dual +=
          example.Edge() - example.beta * example.beta / (4.0 * example.cost);
      if (loss > 0.0 || example.beta != 0.0) active_.push_back(i);
    }
    return gap;
  }

  // Optimises each active example's beta once, the others fixed. Returns an
  // estimate of the relative gap: each example's part is that at its turn.
  double Pass(uint64_t key) {
    double gap = 0.0, loss = 0.0;
    for (const int64_t k :
         RandomPermutation(static_cast<int64_t>(active_.size()), key)) {
      const int64_t i = active_[k];
      Example& example = examples_[i];
      const double score = Score(i);
      gap += example.Gap(score);
      loss += example.Loss(score);
      // beta = 2 cost * (distance from the band) at the best, where the score
      // is `rest` without this example.
      const double rest = score - rows_.norms[i] * example.beta;
      const double curvature = rows_.norms[i] + 0.5 / example.cost;
      const double beta = (std::max(example.low - rest, 0.0) -
                           std::max(rest - example.high, 0.0)) /
                          curvature;
      const double step = beta - example.beta;
      if (step == 0.0) continue;
      example.beta = beta;
      AddScaled(step, rows_.row(i), rows_.size, w_.data());
      w_constant_ += step * rows_.constant;
    }
    return gap / std::max(loss + 0.5 * SquaredNorm(),
                          std::numeric_limits<double>::min());
  }

  const Rows& rows_;
  std::vector<Example> examples_;
  std::vector<double> w_;
  double w_constant_ = 0.0;
  std::vector<int64_t> active_;
};

Rows MakeRows(const char* caller, const at::Tensor& features,
              const LinearSvmOptions& options) {
  CheckSvmOptions(caller, options.c, options.tolerance, options.max_passes);
  TORCH_CHECK(std::isfinite(options.constant_feature) &&
                  options.constant_feature >= 0.0,
              caller, ": constant_feature must be finite and >= 0, got ",
              options.constant_feature);
  Rows rows;
  rows.data = FeatureRows(caller, features);
  rows.count = features.size(0);
  rows.size = features.size(1);
  rows.constant = options.constant_feature;
  rows.norms.resize(rows.count);
  at::parallel_for(0, rows.count, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      rows.norms[i] = Dot(rows.row(i), rows.row(i), rows.size) +
                      rows.constant * rows.constant;
    }
  });
  for (int64_t i = 0; i < rows.count; ++i) {
    TORCH_CHECK(std::isfinite(rows.norms[i]), caller,
                ": features must be finite, row ", i, " is not");
  }
  return rows;
}

// make(t, i): example i of target t.
template <typename Make>
LinearSvm Train(const Rows& rows, int64_t targets,
                const LinearSvmOptions& options, const Make& make) {
  LinearSvm svm;
  svm.weights = at::zeros({targets, rows.size}, at::kDouble);
  svm.bias = at::zeros({targets}, at::kDouble);
  svm.gaps.resize(targets);
  double* weights = svm.weights.data_ptr<double>();
  double* bias = svm.bias.data_ptr<double>();
  at::parallel_for(0, targets, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      std::vector<Example> examples(rows.count);
      for (int64_t i = 0; i < rows.count; ++i) examples[i] = make(t, i);
      Machine machine(rows, std::move(examples));
      svm.gaps[t] = machine.Solve(options);
      std::copy(machine.weights().begin(), machine.weights().end(),
                weights + t * rows.size);
      bias[t] = machine.bias();
    }
  });
  return svm;
}

}  // namespace

LinearSvm TrainLinearRegression(const at::Tensor& features,
                                const at::Tensor& targets, double epsilon,
                                const LinearSvmOptions& options) {
  constexpr char kCaller[] = "TrainLinearRegression";
  const Rows rows = MakeRows(kCaller, features, options);
  const at::Tensor y =
      FiniteDoubles(kCaller, "targets", targets, 2, rows.count);
  TORCH_CHECK(std::isfinite(epsilon) && epsilon >= 0.0, kCaller,
              ": epsilon must be finite and >= 0, got ", epsilon);
  const double* value = y.const_data_ptr<double>();
  return Train(rows, y.size(0), options, [&](int64_t t, int64_t i) {
    const double target = value[t * rows.count + i];
    return Example{target - epsilon, target + epsilon, options.c};
  });
}

LinearSvm TrainLinearClassifier(const at::Tensor& features,
                                const at::Tensor& labels,
                                const at::Tensor& importance,
                                const LinearSvmOptions& options) {
  constexpr char kCaller[] = "TrainLinearClassifier";
  const Rows rows = MakeRows(kCaller, features, options);
  const at::Tensor y = FiniteDoubles(kCaller, "labels", labels, 2, rows.count);
  TORCH_CHECK((y.abs() == 1.0).all().item<bool>(), kCaller,
              ": labels must be 1 or -1");
  at::Tensor weight = at::ones_like(y);
  if (importance.defined()) {
    weight = FiniteDoubles(kCaller, "importance", importance, 2, rows.count);
    TORCH_CHECK(weight.size(0) == y.size(0), kCaller, ": importance must be ",
                y.sizes(), " as labels, got ", weight.sizes());
    TORCH_CHECK((weight >= 0.0).all().item<bool>(), kCaller,
                ": importance must be >= 0");
  }
  const double* label = y.const_data_ptr<double>();
  const double* cost = weight.const_data_ptr<double>();
  // No loss from the margin on, on the label's side.
  return Train(rows, y.size(0), options, [&](int64_t t, int64_t i) {
    const int64_t k = t * rows.count + i;
    return label[k] > 0.0 ? Example{1.0, kInfinity, options.c * cost[k]}
                          : Example{-kInfinity, -1.0, options.c * cost[k]};
  });
}

}  // namespace seg
