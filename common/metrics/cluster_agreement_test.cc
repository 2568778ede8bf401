#include "common/metrics/cluster_agreement.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

at::Tensor Labels(std::vector<int64_t> values) { return at::tensor(values); }

ClusterAgreement Of(const at::Tensor& a, const at::Tensor& b) {
  ClusterAgreement agreement(8, 8);
  agreement.Add(a, b);
  return agreement;
}

at::Tensor RandomLabels(int64_t size, int64_t labels, int64_t seed) {
  at::manual_seed(seed);
  return at::randint(labels, {size}, at::kLong);
}

// Of all pairs of pixels, by counting them.
double BruteForceRand(const at::Tensor& a, const at::Tensor& b) {
  const int64_t n = a.size(0);
  const int64_t* x = a.const_data_ptr<int64_t>();
  const int64_t* y = b.const_data_ptr<int64_t>();
  double pairs = 0, both = 0, first = 0, second = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < i; ++j) {
      ++pairs;
      first += x[i] == x[j];
      second += y[i] == y[j];
      both += x[i] == x[j] && y[i] == y[j];
    }
  }
  const double expected = first * second / pairs;
  return (both - expected) / ((first + second) / 2 - expected);
}

TEST(ClusterAgreementTest, ByHand) {
  // Two classes of two; the second labelling splits one of them.
  const ClusterAgreement agreement =
      Of(Labels({0, 0, 1, 1}), Labels({0, 0, 1, 2}));
  // H = ln 2 and 1.5 ln 2, the information is ln 2.
  EXPECT_NEAR(agreement.NormalizedMutualInformation(), 1 / 1.25, 1e-15);
  // Pairs together: 1 in both, 2 and 1, of 6; by chance 1/3.
  EXPECT_NEAR(agreement.AdjustedRandIndex(), (1 - 1.0 / 3) / (1.5 - 1.0 / 3),
              1e-15);
  EXPECT_EQ(agreement.count(1, 2), 1);
  EXPECT_EQ(agreement.count(0, 0), 2);
  EXPECT_EQ(agreement.total(), 4);
  // Each class is halved: independent.
  const ClusterAgreement none = Of(Labels({0, 0, 1, 1}), Labels({0, 1, 0, 1}));
  EXPECT_NEAR(none.NormalizedMutualInformation(), 0.0, 1e-15);
  EXPECT_NEAR(none.AdjustedRandIndex(), -0.5, 1e-15);
}

TEST(ClusterAgreementTest, RandIndexAgreesWithAllPairs) {
  for (int64_t seed = 1; seed < 8; ++seed) {
    const at::Tensor a = RandomLabels(60, 4, seed);
    at::Tensor b = RandomLabels(60, 5, seed + 50);
    if (seed > 3) b = at::where(RandomLabels(60, 2, seed + 90).eq(0), a, b);
    EXPECT_NEAR(Of(a, b).AdjustedRandIndex(), BruteForceRand(a, b), 1e-12);
  }
}

TEST(ClusterAgreementTest, NamesDoNotMatter) {
  const at::Tensor a = RandomLabels(200, 4, 1);
  const at::Tensor b =
      at::where(RandomLabels(200, 3, 2).eq(0), RandomLabels(200, 4, 3), a);
  const at::Tensor names = Labels({3, 7, 0, 5});
  const ClusterAgreement plain = Of(a, b);
  const ClusterAgreement renamed = Of(a, names.index_select(0, b));
  const ClusterAgreement turned = Of(b, a);
  EXPECT_NEAR(renamed.NormalizedMutualInformation(),
              plain.NormalizedMutualInformation(), 1e-14);
  EXPECT_NEAR(renamed.AdjustedRandIndex(), plain.AdjustedRandIndex(), 1e-14);
  EXPECT_NEAR(turned.NormalizedMutualInformation(),
              plain.NormalizedMutualInformation(), 1e-14);
  EXPECT_NEAR(turned.AdjustedRandIndex(), plain.AdjustedRandIndex(), 1e-14);
  EXPECT_GT(plain.NormalizedMutualInformation(), 0.2);
  EXPECT_LT(plain.NormalizedMutualInformation(), 0.9);
  const ClusterAgreement same = Of(a, names.index_select(0, a));
  EXPECT_NEAR(same.NormalizedMutualInformation(), 1.0, 1e-14);
  EXPECT_NEAR(same.AdjustedRandIndex(), 1.0, 1e-14);
  // Labels of no meaning: near 0, the index on either side.
  const ClusterAgreement chance =
      Of(RandomLabels(20000, 4, 4), RandomLabels(20000, 4, 5));
  EXPECT_LT(chance.NormalizedMutualInformation(), 2e-3);
  EXPECT_NEAR(chance.AdjustedRandIndex(), 0.0, 2e-3);
}

TEST(ClusterAgreementTest, ImageByImageMergedMaskedAndAnyLayout) {
  const at::Tensor a = RandomLabels(240, 4, 1).view({4, 6, 10});
  const at::Tensor b = RandomLabels(240, 3, 2).view({4, 6, 10});
  const ClusterAgreement whole = Of(a, b);
  ClusterAgreement parts(8, 8), rest(8, 8);
  parts.Add(a[0].to(at::kByte), b[0]);
  parts.Add(a[1], b[1].to(at::kInt));
  rest.Add(Sparse(a.slice(0, 2)), b.slice(0, 2));
  rest.Add(a.slice(0, 0, 0), b.slice(0, 0, 0));
  parts.Merge(rest);
  EXPECT_EQ(parts.total(), 240);
  EXPECT_EQ(parts.AdjustedRandIndex(), whole.AdjustedRandIndex());
  EXPECT_EQ(parts.NormalizedMutualInformation(),
            whole.NormalizedMutualInformation());
  const at::Tensor mask = b.ne(2);
  ClusterAgreement masked(8, 2);  // label 2 is never counted
  masked.Add(a, b, mask);
  EXPECT_EQ(masked.total(), mask.sum().item<int64_t>());
  EXPECT_EQ(
      masked.AdjustedRandIndex(),
      Of(a.masked_select(mask), b.masked_select(mask)).AdjustedRandIndex());
}

TEST(ClusterAgreementTest, ManyPixels) {
  // Counts whose pairs are beyond 64 bits together: a video's worth.
  ClusterAgreement agreement(2, 2);
  agreement.Add(Labels({0, 0, 1, 1, 1}), Labels({0, 0, 1, 1, 0}));
  for (int i = 0; i < 31; ++i) agreement.Merge(ClusterAgreement(agreement));
  const double n = 5.0 * 2147483648.0;
  EXPECT_EQ(static_cast<double>(agreement.total()), n);
  // Shares .4, .2 | 0, .4: what the sums of pairs tend to.
  const double both = .4 * .4 + .2 * .2 + .4 * .4;
  const double first = .4 * .4 + .6 * .6, second = .6 * .6 + .4 * .4;
  const double expected = first * second;
  EXPECT_NEAR(agreement.AdjustedRandIndex(),
              (both - expected) / ((first + second) / 2 - expected), 1e-8);
}

TEST(ClusterAgreementTest, DegenerateCases) {
  const ClusterAgreement nothing(3, 3);
  EXPECT_TRUE(std::isnan(nothing.NormalizedMutualInformation()));
  EXPECT_TRUE(std::isnan(nothing.AdjustedRandIndex()));
  const ClusterAgreement constant = Of(Labels({2, 2, 2}), Labels({5, 5, 5}));
  EXPECT_EQ(constant.NormalizedMutualInformation(), 1.0);
  EXPECT_EQ(constant.AdjustedRandIndex(), 1.0);
  const ClusterAgreement one = Of(Labels({1, 1, 1, 1}), Labels({0, 0, 1, 1}));
  EXPECT_EQ(one.NormalizedMutualInformation(), 0.0);
  EXPECT_EQ(one.AdjustedRandIndex(), 0.0);
  const ClusterAgreement own = Of(Labels({0, 1, 2}), Labels({2, 0, 1}));
  EXPECT_NEAR(own.NormalizedMutualInformation(), 1.0, 1e-15);
  EXPECT_EQ(own.AdjustedRandIndex(), 1.0);
  const ClusterAgreement pixel = Of(Labels({3}), Labels({1}));
  EXPECT_EQ(pixel.NormalizedMutualInformation(), 1.0);
  EXPECT_EQ(pixel.AdjustedRandIndex(), 1.0);
}

TEST(ClusterAgreementTest, Errors) {
  ClusterAgreement agreement(3, 2);
  const at::Tensor x = Labels({0, 1, 2});
  ExpectError([&] { agreement.Add(x, x); },
              "second has label 2, expected 0..1");
  ExpectError([&] { agreement.Add(x - 1, x.clamp_max(1)); },
              "first has label -1, expected 0..2");
  EXPECT_EQ(agreement.total(), 0);  // nothing is added then
  ExpectError([&] { agreement.Add(x, x.slice(0, 1)); },
              "first must have the sizes of second [2], got [3]");
  ExpectError([&] { agreement.Add(x.to(at::kFloat), x); },
              "must be integers, got Float and Long");
  ExpectError([&] { agreement.Add(x, x, at::ones({3})); },
              "mask must be bool with sizes [3]");
  ExpectError([&] { agreement.Merge(ClusterAgreement(2, 3)); },
              "cannot merge a table of 2 x 3 into 3 x 2");
  ExpectError([&] { agreement.count(3, 0); }, "no entry (3, 0) in 3 x 2");
  ExpectError([&] { ClusterAgreement(0, 2); }, "got 0 and 2");
}

}  // namespace
}  // namespace seg
