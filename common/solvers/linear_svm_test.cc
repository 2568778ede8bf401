#include "common/solvers/linear_svm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

LinearSvmOptions Exact(double c) {
  LinearSvmOptions options;
  options.c = c;
  options.tolerance = 1e-12;
  options.max_passes = 100000;
  return options;
}

at::Tensor Features(int64_t count, int64_t size, int64_t seed = 3) {
  return Random({count, size}, seed).to(at::kFloat);
}

// Targets that features explain in part. [T,N]
at::Tensor Targets(const at::Tensor& x, int64_t targets, int64_t seed = 8) {
  const at::Tensor w = Random({targets, x.size(1)}, seed);
  return w.matmul(x.to(at::kDouble).t()) +
         0.5 * Random({targets, x.size(0)}, seed + 1);
}

at::Tensor Signs(const at::Tensor& y) {
  return (y > 0).to(at::kDouble) * 2 - 1;
}

// How far scores lie outside the bands, with sign: what moves w towards them.
at::Tensor Residual(const at::Tensor& scores, const at::Tensor& low,
                    const at::Tensor& high) {
  return (low - scores).clamp_min(0) - (scores - high).clamp_min(0);
}

struct Bands {
  at::Tensor low, high, cost;  // [N]
};

Bands RegressionBands(const at::Tensor& y, double epsilon, double c) {
  return {y - epsilon, y + epsilon, at::full_like(y, c)};
}

Bands ClassifierBands(const at::Tensor& y, const at::Tensor& cost) {
  return {at::where(y > 0, at::ones_like(y), at::full_like(y, -HUGE_VAL)),
          at::where(y < 0, -at::ones_like(y), at::full_like(y, HUGE_VAL)),
          cost};
}

double Objective(const at::Tensor& x, const Bands& bands, const at::Tensor& w) {
  const at::Tensor r = Residual(x.matmul(w), bands.low, bands.high);
  return (0.5 * w.dot(w) + (bands.cost * r * r).sum()).item<double>();
}

at::Tensor Gradient(const at::Tensor& x, const Bands& bands,
                    const at::Tensor& w) {
  const at::Tensor r = Residual(x.matmul(w), bands.low, bands.high);
  return w - 2 * (bands.cost * r).matmul(x);
}

// Newton's method in double, halving steps that do not descend: the objective
// is piecewise quadratic.
at::Tensor Newton(const at::Tensor& x, const Bands& bands) {
  at::Tensor w = at::zeros({x.size(1)}, at::kDouble);
  for (int step = 0; step < 100; ++step) {
    const at::Tensor gradient = Gradient(x, bands, w);
    if (gradient.abs().max().item<double>() < 1e-10) break;
    const at::Tensor outside =
        Residual(x.matmul(w), bands.low, bands.high) != 0;
    const at::Tensor weighed = x * (bands.cost * outside).unsqueeze(1);
    const at::Tensor direction = at::linalg_solve(
        at::eye(x.size(1), at::kDouble) + 2 * x.t().matmul(weighed), gradient);
    double length = 1.0;
    while (length > 1e-9 && Objective(x, bands, w - length * direction) >
                                Objective(x, bands, w)) {
      length *= 0.5;
    }
    w = w - length * direction;
  }
  return w;
}

void ExpectBest(const at::Tensor& features, const Bands& bands,
                const LinearSvm& svm, int64_t t, const char* what) {
  const at::Tensor x = features.to(at::kDouble);
  const at::Tensor w = svm.weights[t];
  const at::Tensor expected = Newton(x, bands);
  EXPECT_LT((w - expected).abs().max().item<double>(), 1e-4) << what;
  const double objective = Objective(x, bands, w);
  // The certificate is true: the primal is the objective, the dual below it.
  EXPECT_NEAR(svm.gaps[t].primal, objective, 1e-9 * objective) << what;
  const double best = Objective(x, bands, expected);
  EXPECT_LE(svm.gaps[t].dual, best * (1.0 + 1e-12)) << what;
  EXPECT_LE(svm.gaps[t].Relative(), 1e-12) << what;
  // Optimality (KKT): w is the sum of 2 c (distance from the band) x.
  EXPECT_LT(Gradient(x, bands, w).abs().max().item<double>(), 1e-3) << what;
}

// min w^2 / 2 + c (y - w - epsilon)^2 at y = 3, epsilon = 1, c = 2, x = 1:
// w = 4 (2 - w), so w = 1.6.
TEST(LinearSvmTest, OneExampleByHand) {
  const at::Tensor x = at::ones({1, 1});
  const LinearSvm up =
      TrainLinearRegression(x, at::full({1, 1}, 3.0), 1.0, Exact(2.0));
  EXPECT_NEAR(up.weights.item<double>(), 1.6, 1e-9);
  EXPECT_NEAR(up.gaps[0].primal, 0.5 * 1.6 * 1.6 + 2.0 * 0.4 * 0.4, 1e-9);
  EXPECT_EQ(up.bias.item<double>(), 0.0);
  const LinearSvm down =
      TrainLinearRegression(x, at::full({1, 1}, -3.0), 1.0, Exact(2.0));
  EXPECT_NEAR(down.weights.item<double>(), -1.6, 1e-9);
  // min w^2 / 2 + 2 (1 - w)^2: w = 0.8, and half of it where the bias shares.
  const LinearSvm two =
      TrainLinearClassifier(x, at::full({1, 1}, 1.0), {}, Exact(2.0));
  EXPECT_NEAR(two.weights.item<double>(), 0.8, 1e-9);
  // With a constant feature of 2: w = 4 (1 - s), v = 8 (1 - s), s = w + 2 v, so
  // s = 20 / 21.
  LinearSvmOptions options = Exact(2.0);
  options.constant_feature = 2.0;
  const LinearSvm with =
      TrainLinearClassifier(x, at::full({1, 1}, 1.0), {}, options);
  EXPECT_NEAR(with.weights.item<double>(), 4.0 / 21.0, 1e-9);
  EXPECT_NEAR(with.bias.item<double>(), 16.0 / 21.0, 1e-9);
}

TEST(LinearSvmTest, RegressionAgreesWithNewton) {
  for (const double c : {0.01, 0.3, 5.0}) {
    const at::Tensor x = Features(20, 3);
    const at::Tensor y = Targets(x, 3);
    for (const double epsilon : {0.0, 0.4}) {
      const LinearSvm svm = TrainLinearRegression(x, y, epsilon, Exact(c));
      for (int64_t t = 0; t < 3; ++t) {
        ExpectBest(x, RegressionBands(y[t], epsilon, c), svm, t, "regression");
      }
    }
  }
}

TEST(LinearSvmTest, ClassifierAgreesWithNewton) {
  for (const double c : {0.01, 0.3, 5.0}) {
    const at::Tensor x = Features(20, 3);
    const at::Tensor y = Signs(Targets(x, 2));
    const at::Tensor importance = Random({2, 20}, 5).abs();
    const LinearSvm plain = TrainLinearClassifier(x, y, {}, Exact(c));
    const LinearSvm weighed = TrainLinearClassifier(x, y, importance, Exact(c));
    for (int64_t t = 0; t < 2; ++t) {
      ExpectBest(x, ClassifierBands(y[t], at::full_like(y[t], c)), plain, t,
                 "plain");
      ExpectBest(x, ClassifierBands(y[t], c * importance[t]), weighed, t,
                 "weighed");
    }
  }
}

// More features than examples, and many of each: several vectors a row.
TEST(LinearSvmTest, WideProblemsAgreeWithNewton) {
  const at::Tensor x = 0.3 * Features(12, 45);
  const at::Tensor y = Targets(x, 1);
  const LinearSvm svm = TrainLinearRegression(x, y, 0.1, Exact(0.5));
  ExpectBest(x, RegressionBands(y[0], 0.1, 0.5), svm, 0, "wide");
}

TEST(LinearSvmTest, ConstantFeatureIsAColumn) {
  const at::Tensor x = Features(30, 4);
  const at::Tensor y = Targets(x, 2) + 3.0;
  LinearSvmOptions options = Exact(0.4);
  const LinearSvm column = TrainLinearRegression(
      at::cat({x, at::full({30, 1}, 1.5)}, 1).to(at::kFloat), y, 0.2, options);
  options.constant_feature = 1.5;
  const LinearSvm svm = TrainLinearRegression(x, y, 0.2, options);
  EXPECT_TRUE(
      at::allclose(svm.weights, column.weights.slice(1, 0, 4), 1e-5, 1e-5));
  EXPECT_TRUE(
      at::allclose(svm.bias, 1.5 * column.weights.select(1, 4), 1e-5, 1e-5));
}

TEST(LinearSvmTest, TargetsInsideTheBandGiveZero) {
  const at::Tensor x = Features(25, 4);
  const at::Tensor y = at::rand({2, 25}, at::kDouble) * 0.5 - 0.25;
  const LinearSvm svm = TrainLinearRegression(x, y, 0.25);
  EXPECT_EQ(svm.weights.abs().sum().item<double>(), 0.0);
  EXPECT_EQ(svm.gaps[0].primal, 0.0);
  EXPECT_EQ(svm.gaps[0].Relative(), 0.0);
  EXPECT_EQ(svm.gaps[0].passes, 0);
}

TEST(LinearSvmTest, StopsAtTheToleranceOrAfterMaxPasses) {
  const at::Tensor x = Features(300, 20);
  const at::Tensor y = Targets(x, 1);
  LinearSvmOptions options;
  options.c = 3.0;
  options.max_passes = 100000;
  int64_t before = 0;
  for (const double tolerance : {1e-1, 1e-3, 1e-6}) {
    options.tolerance = tolerance;
    const DualityGap gap = TrainLinearRegression(x, y, 0.25, options).gaps[0];
    EXPECT_LE(gap.Relative(), tolerance);
    EXPECT_GE(gap.Relative(), -1e-12);
    EXPECT_GE(gap.passes, before);
    before = gap.passes;
  }
  options.tolerance = 1e-12;
  options.max_passes = 2;
  const DualityGap gap = TrainLinearRegression(x, y, 0.25, options).gaps[0];
  EXPECT_EQ(gap.passes, 2);
  EXPECT_GT(gap.Relative(), 1e-12);
}

TEST(LinearSvmTest, ExamplesWithoutImportanceAreNotThere) {
  const at::Tensor x = Features(24, 5);
  const at::Tensor y = Signs(Targets(x, 1));
  const at::Tensor importance =
      at::cat({at::ones({1, 16}), at::zeros({1, 8})}, 1);
  const LinearSvm svm = TrainLinearClassifier(x, y, importance, Exact(1.0));
  const LinearSvm fewer = TrainLinearClassifier(
      x.slice(0, 0, 16), y.slice(1, 0, 16), {}, Exact(1.0));
  EXPECT_TRUE(at::allclose(svm.weights, fewer.weights, 1e-5, 1e-5));
}

// An example of importance 2 is that example twice.
TEST(LinearSvmTest, ImportanceCountsExamples) {
  const at::Tensor x = Features(15, 4);
  const at::Tensor y = Signs(Targets(x, 1));
  const LinearSvm twice = TrainLinearClassifier(
      at::cat({x, x}, 0), at::cat({y, y}, 1), {}, Exact(1.0));
  const LinearSvm two =
      TrainLinearClassifier(x, y, at::full({1, 15}, 2.0), Exact(1.0));
  EXPECT_TRUE(at::allclose(twice.weights, two.weights, 1e-4, 1e-5));
}

TEST(LinearSvmTest, ThreadsChangeNothing) {
  const at::Tensor x = Features(120, 33);
  const at::Tensor y = Targets(x, 7);
  LinearSvmOptions options;
  options.seed = 4;
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const LinearSvm svm = TrainLinearRegression(x, y, 0.2, options);
  for (const int count : {2, 3, 4}) {
    at::set_num_threads(count);
    const LinearSvm again = TrainLinearRegression(x, y, 0.2, options);
    EXPECT_TRUE(at::equal(again.weights, svm.weights)) << count;
    EXPECT_EQ(again.gaps[6].dual, svm.gaps[6].dual) << count;
  }
  at::set_num_threads(threads);
  // A target alone gives what it gives among others.
  const LinearSvm alone =
      TrainLinearRegression(x, y.slice(0, 5, 6), 0.2, options);
  EXPECT_TRUE(at::equal(alone.weights[0], svm.weights[5]));
}

TEST(LinearSvmTest, SeedsAgreeWithinTheTolerance) {
  const at::Tensor x = Features(60, 10);
  const at::Tensor y = Targets(x, 1);
  LinearSvmOptions options = Exact(1.0);
  const LinearSvm first = TrainLinearRegression(x, y, 0.2, options);
  options.seed = 1;
  const LinearSvm second = TrainLinearRegression(x, y, 0.2, options);
  EXPECT_FALSE(at::equal(first.weights, second.weights));
  EXPECT_TRUE(at::allclose(first.weights, second.weights, 1e-4, 1e-5));
}

TEST(LinearSvmTest, FloatAndStridedTargetsAreTheSame) {
  const at::Tensor x = Features(20, 3);
  const at::Tensor y = Targets(x, 2).to(at::kFloat);
  const LinearSvm svm = TrainLinearRegression(x, y.to(at::kDouble), 0.1);
  EXPECT_TRUE(at::equal(TrainLinearRegression(x, y, 0.1).weights, svm.weights));
  EXPECT_TRUE(at::equal(TrainLinearRegression(x, ColumnMajor(y), 0.1).weights,
                        svm.weights));
}

TEST(LinearSvmTest, NothingToLearnFrom) {
  const LinearSvm no_rows =
      TrainLinearRegression(at::empty({0, 4}), at::empty({2, 0}), 0.1);
  EXPECT_TRUE(at::equal(no_rows.weights, at::zeros({2, 4}, at::kDouble)));
  EXPECT_EQ(no_rows.gaps[1].Relative(), 0.0);
  const LinearSvm no_targets =
      TrainLinearRegression(at::ones({3, 4}), at::empty({0, 3}), 0.1);
  EXPECT_EQ(no_targets.weights.sizes(), at::IntArrayRef({0, 4}));
  const LinearSvm no_features =
      TrainLinearClassifier(at::empty({3, 0}), at::ones({1, 3}));
  EXPECT_EQ(no_features.weights.sizes(), at::IntArrayRef({1, 0}));
  EXPECT_LE(no_features.gaps[0].Relative(), 1e-3);
  // Rows of zeros: scores are 0 whatever w is.
  const LinearSvm zeros =
      TrainLinearClassifier(at::zeros({3, 2}), at::ones({1, 3}));
  EXPECT_EQ(zeros.weights.abs().sum().item<double>(), 0.0);
  EXPECT_NEAR(zeros.gaps[0].primal, 3.0, 1e-12);
  EXPECT_LE(zeros.gaps[0].Relative(), 1e-3);
}

TEST(LinearSvmTest, RefusesWrongInput) {
  const at::Tensor x = Features(4, 3);
  const at::Tensor y = at::ones({1, 4});
  const auto train = [&](const at::Tensor& features, const at::Tensor& targets,
                         double epsilon, const LinearSvmOptions& options) {
    return ErrorOf(
        [&] { TrainLinearRegression(features, targets, epsilon, options); });
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(train(x.to(at::kDouble), y, 0.1, {}),
              HasSubstr("TrainLinearRegression: features must be float32 "
                        "[N,F], contiguous, on the CPU, got Double [4, 3]"));
  EXPECT_THAT(train(ColumnMajor(x), y, 0.1, {}), HasSubstr("strides [1, 4]"));
  EXPECT_THAT(train(x[0], y, 0.1, {}), HasSubstr("got Float [3]"));
  EXPECT_THAT(train(x, at::ones({4}), 0.1, {}),
              HasSubstr("targets must be float32 or float64 on the CPU, of 2 "
                        "dimensions, the last of size 4, got Float [4]"));
  EXPECT_THAT(train(x, at::ones({1, 5}), 0.1, {}), HasSubstr("Float [1, 5]"));
  EXPECT_THAT(train(x, at::ones({1, 4}, at::kLong), 0.1, {}),
              HasSubstr("got Long [1, 4]"));
  EXPECT_THAT(train(x, y * std::nan(""), 0.1, {}),
              HasSubstr("targets must be finite"));
  at::Tensor broken = x.clone();
  broken[2][1] = HUGE_VAL;
  EXPECT_THAT(train(broken, y, 0.1, {}),
              HasSubstr("features must be finite, row 2 is not"));
  for (const double epsilon : {-0.1, std::nan(""), HUGE_VAL}) {
    EXPECT_THAT(train(x, y, epsilon, {}),
                HasSubstr("epsilon must be finite and >= 0"));
  }
  LinearSvmOptions options;
  options.c = 0.0;
  EXPECT_THAT(train(x, y, 0.1, options),
              HasSubstr("c must be finite and > 0, got 0"));
  options = {};
  options.constant_feature = -1.0;
  EXPECT_THAT(train(x, y, 0.1, options),
              HasSubstr("constant_feature must be finite and >= 0, got -1"));
  options = {};
  options.tolerance = 0.0;
  EXPECT_THAT(train(x, y, 0.1, options), HasSubstr("tolerance must be > 0"));
  options = {};
  options.max_passes = 0;
  EXPECT_THAT(train(x, y, 0.1, options), HasSubstr("max_passes must be >= 1"));
  ExpectError([&] { TrainLinearClassifier(x, y * 0.5); },
              "TrainLinearClassifier: labels must be 1 or -1");
  ExpectError([&] { TrainLinearClassifier(x, y, -y); },
              "importance must be >= 0");
  ExpectError(
      [&] {
        TrainLinearClassifier(x, y, at::ones({2, 4}));
      },
      "importance must be [1, 4] as labels, got [2, 4]");
}

}  // namespace
}  // namespace seg
