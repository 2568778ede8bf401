#include "common/metrics/paired_statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace seg {
namespace {

using ::testing::IsNan;

TEST(PairedStatisticsTest, MeanAndStandardDeviation) {
  EXPECT_DOUBLE_EQ(Mean({1.0, 2.0, 6.0}), 3.0);
  EXPECT_DOUBLE_EQ(StandardDeviation({1.0, 2.0, 6.0}), std::sqrt(7.0));
  EXPECT_DOUBLE_EQ(StandardDeviation({2.0, 2.0}), 0.0);
  EXPECT_THAT(StandardDeviation({2.0}), IsNan());
  EXPECT_THAT(Mean({}), IsNan());
}

TEST(PairedStatisticsTest, HeldNeedsSameSignAndALargeMean) {
  const PairedComparison held = ComparePaired({1.0, 1.5, 2.0});
  EXPECT_EQ(held.n, 3);
  EXPECT_DOUBLE_EQ(held.mean, 1.5);
  EXPECT_DOUBLE_EQ(held.standard_deviation, 0.5);
  EXPECT_DOUBLE_EQ(held.threshold, 1.0 / std::sqrt(3.0));
  EXPECT_EQ(held.verdict, Verdict::kHeld);
  EXPECT_EQ(ComparePaired({-1.0, -1.5, -2.0}).verdict, Verdict::kNotHeld);
  // Mean 4 / 3 is below 2 SD / sqrt(3) = 2.67, though all are positive.
  EXPECT_EQ(ComparePaired({0.0001, 0.0001, 4.0}).verdict, Verdict::kUndecided);
  // One seed the other way.
  EXPECT_EQ(ComparePaired({5.0, 5.1, 5.2, -0.01, 5.0, 5.1}).verdict,
            Verdict::kUndecided);
  EXPECT_EQ(ComparePaired({1.0, 1.0, 1.0}).verdict, Verdict::kHeld);
}

TEST(PairedStatisticsTest, FewOrOddValuesAreUndecided) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(ComparePaired({}).verdict, Verdict::kUndecided);
  EXPECT_EQ(ComparePaired({1.0, 1.0}).verdict, Verdict::kUndecided);
  EXPECT_EQ(ComparePaired({0.0, 0.0, 0.0}).verdict, Verdict::kUndecided);
  EXPECT_EQ(ComparePaired({1.0, 1.0, 0.0}).verdict, Verdict::kUndecided);
  EXPECT_EQ(ComparePaired({1.0, 1.0, nan}).verdict, Verdict::kUndecided);
  EXPECT_EQ(ComparePaired({1.0, 1.0, infinity}).verdict, Verdict::kUndecided);
}

TEST(PairedStatisticsTest, Names) {
  EXPECT_EQ(ToString(Verdict::kHeld), "held");
  EXPECT_EQ(ToString(Verdict::kNotHeld), "not held");
  EXPECT_EQ(ToString(Verdict::kUndecided), "undecided");
}

}  // namespace
}  // namespace seg
