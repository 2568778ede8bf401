#include "common/metrics/frechet_distance.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

FeatureStatistics Of(const at::Tensor& x) {
  FeatureStatistics statistics(x.size(1));
  statistics.Add(x);
  return statistics;
}

at::Tensor Diagonal(std::vector<double> values) {
  return at::diag(at::tensor(values, at::kDouble));
}

TEST(FeatureStatisticsTest, ByHand) {
  const FeatureStatistics s =
      Of(at::tensor({1.0, 2.0, 3.0, 6.0}, at::kDouble).view({2, 2}));
  EXPECT_TRUE(at::allclose(s.mean(), at::tensor({2.0, 4.0}, at::kDouble)));
  EXPECT_TRUE(
      at::allclose(s.covariance(),
                   at::tensor({2.0, 4.0, 4.0, 8.0}, at::kDouble).view({2, 2})));
  EXPECT_EQ(s.count(), 2);
}

TEST(FeatureStatisticsTest, BatchesAndMergedAreAsTheWhole) {
  // Far from zero, where sums of squares would lose their digits.
  const at::Tensor x = Random({50, 4}, 1) + 1e6;
  FeatureStatistics parts(4), rest(4);
  parts.Add(x.slice(0, 0, 1));
  parts.Add(x.slice(0, 1, 20));
  parts.Add(x.slice(0, 0, 0));
  rest.Add(Sparse(x.slice(0, 20, 50)));
  parts.Merge(rest);
  parts.Merge(FeatureStatistics(4));
  EXPECT_EQ(parts.count(), 50);
  EXPECT_TRUE(at::allclose(parts.mean(), x.mean(0), 1e-14, 0));
  EXPECT_TRUE(at::allclose(parts.covariance(), at::cov(x.t()), 0, 1e-8));
  FeatureStatistics empty(4);
  empty.Merge(parts);
  EXPECT_TRUE(empty.covariance().equal(parts.covariance()));
}

TEST(FrechetDistanceTest, OfTheSameSetIsZero) {
  const FeatureStatistics full = Of(Random({200, 8}, 1));
  EXPECT_NEAR(FrechetDistance(full, full), 0.0, 1e-10);
  // Fewer vectors than features: most eigenvalues are rounding errors.
  const FeatureStatistics few = Of(Random({5, 40}, 2));
  EXPECT_NEAR(FrechetDistance(few, few), 0.0, 1e-6);
  EXPECT_GE(FrechetDistance(few, few), 0.0);
  const FeatureStatistics constant = Of(at::ones({3, 4}, at::kDouble));
  EXPECT_EQ(FrechetDistance(constant, constant), 0.0);
}

TEST(FrechetDistanceTest, ClosedForms) {
  const at::Tensor zero = at::zeros({3}, at::kDouble);
  const at::Tensor mean = at::tensor({1.0, 2.0, -2.0}, at::kDouble);
  // Axes in common: the sum of (sigma_a - sigma_b)^2.
  EXPECT_NEAR(
      FrechetDistance(zero, Diagonal({1, 4, 9}), mean, Diagonal({4, 4, 1})),
      9 + 1 + 0 + 4, 1e-12);
  // The same in a turned frame.
  const at::Tensor turn = std::get<0>(at::linalg_qr(Random({3, 3}, 4)));
  const auto turned = [&](const at::Tensor& c) {
    return turn.mm(c).mm(turn.t());
  };
  EXPECT_NEAR(FrechetDistance(zero, turned(Diagonal({1, 4, 9})), turn.mv(mean),
                              turned(Diagonal({4, 4, 1}))),
              14, 1e-11);
  // One feature.
  EXPECT_NEAR(FrechetDistance(at::tensor({1.0}, at::kDouble), Diagonal({9}),
                              at::tensor({5.0}, at::kDouble), Diagonal({1})),
              16 + 4, 1e-12);
  // 2 x 2 in general: tr (S1 S2)^(1/2) = sqrt(tr(S1 S2) + 2 sqrt(det(S1 S2))).
  const at::Tensor a =
      at::tensor({2.0, 0.5, 0.5, 1.0}, at::kDouble).view({2, 2});
  const at::Tensor b =
      at::tensor({1.0, -0.7, -0.7, 3.0}, at::kDouble).view({2, 2});
  const double cross = std::sqrt(a.mm(b).trace().item<double>() +
                                 2 * std::sqrt((2 - 0.25) * (3 - 0.49)));
  const at::Tensor none = at::zeros({2}, at::kDouble);
  EXPECT_NEAR(FrechetDistance(none, a, none, b), 3 + 4 - 2 * cross, 1e-12);
  EXPECT_NEAR(FrechetDistance(none, b, none, a), 3 + 4 - 2 * cross, 1e-12);
}

TEST(FrechetDistanceTest, OfSamplesAndASingularSide) {
  const at::Tensor x = Random({4000, 3}, 5);
  const at::Tensor scale = at::tensor({1.0, 2.0, 3.0}, at::kDouble);
  // 0 + 1 + 4, and 9 for the step. The deviation of the estimate is 0.26 (by
  // the delta method).
  EXPECT_NEAR(
      FrechetDistance(Of(x), Of(Random({4000, 3}, 6) * scale + 3.0 / 1.7321)),
      14, 1.0);
  // A point against a ball: the trace of its covariance.
  EXPECT_NEAR(FrechetDistance(at::zeros({3}, at::kDouble),
                              at::zeros({3, 3}, at::kDouble),
                              at::zeros({3}, at::kDouble), Diagonal({1, 4, 9})),
              14, 1e-12);
  // Float features: sums of 4,000 products, in double once they are in.
  EXPECT_NEAR(FrechetDistance(Of(x.to(at::kFloat)), Of(2 * x)),
              FrechetDistance(Of(x), Of(2 * x)), 1e-6);
}

TEST(FrechetDistanceTest, Errors) {
  FeatureStatistics statistics(3);
  ExpectError(
      [&] {
        statistics.Add(at::zeros({2, 4}));
      },
      "x must be [N,3], got sizes [2, 4]");
  ExpectError(
      [&] {
        statistics.Add(at::zeros({2, 3}, at::kLong));
      },
      "x must be floating point, got Long");
  statistics.Add(at::zeros({1, 3}));
  ExpectError([&] { statistics.covariance(); }, "two vectors at least, got 1");
  ExpectError([&] { statistics.Merge(FeatureStatistics(2)); },
              "cannot merge 2 features into 3");
  ExpectError([] { FeatureStatistics(0); }, "at least 1, got 0");
  ExpectError(
      [] {
        FrechetDistance(at::zeros({2}), at::zeros({2, 2}), at::zeros({3}),
                        at::zeros({3, 3}));
      },
      "two means [2] and two covariances [2,2], got [3]");
}

}  // namespace
}  // namespace seg
