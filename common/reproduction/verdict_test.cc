#include "common/reproduction/verdict.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace seg {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Verdict Judge(const std::vector<double>& differences) {
  return JudgeDifferences(differences).verdict;
}

TEST(ComputeMeanSdTest, ByHand) {
  // Mean 4, squares 9 + 0 + 9 = 18 over n - 1 = 2: SD 3.
  const MeanSd m = ComputeMeanSd({1, 4, 7});
  EXPECT_DOUBLE_EQ(m.mean, 4);
  EXPECT_DOUBLE_EQ(m.sd, 3);
  EXPECT_DOUBLE_EQ(ComputeMeanSd({5}).mean, 5);
  EXPECT_DOUBLE_EQ(ComputeMeanSd({5}).sd, 0);
  EXPECT_TRUE(std::isnan(ComputeMeanSd({}).mean));
}

TEST(JudgeDifferencesTest, NeedsSameSignAndAMeanBeyondTwoStandardErrors) {
  // Mean 2, SD 1: 2 SD / sqrt(3) = 1.155 < 2.
  const PairedResult held = JudgeDifferences({1, 2, 3});
  EXPECT_DOUBLE_EQ(held.mean, 2);
  EXPECT_DOUBLE_EQ(held.sd, 1);
  EXPECT_EQ(held.verdict, Verdict::kHeld);
  EXPECT_EQ(Judge({-1, -2, -3}), Verdict::kNotHeld);
  // Same sign, but mean 1.4 and SD 2.25: 2 SD / sqrt(3) = 2.6.
  EXPECT_EQ(Judge({0.1, 0.1, 4}), Verdict::kUndecided);
  EXPECT_EQ(Judge({-0.1, -0.1, -4}), Verdict::kUndecided);
  // A mean far beyond, but one seed against it.
  EXPECT_EQ(Judge({5, 5, 5, 5, 5, 5, -0.01}), Verdict::kUndecided);
  EXPECT_EQ(Judge({1, 1, 0}), Verdict::kUndecided);  // a tie is no favour
}

TEST(JudgeDifferencesTest, TheBoundItselfDoesNotSuffice) {
  // For {a, a, b}: mean (2a + b)/3, SD |b - a|/sqrt(3), so the bound is
  // 2|b - a|/3: equal to the mean at b = 4a.
  EXPECT_EQ(Judge({1, 1, 4}), Verdict::kUndecided);
  EXPECT_EQ(Judge({1, 1, 3.9}), Verdict::kHeld);
  EXPECT_EQ(Judge({1, 1, 4.1}), Verdict::kUndecided);
}

TEST(JudgeDifferencesTest, FewSeedsAndNonFiniteValuesAreUndecided) {
  EXPECT_EQ(Judge({}), Verdict::kUndecided);
  EXPECT_EQ(Judge({9}), Verdict::kUndecided);
  EXPECT_EQ(Judge({9, 9}), Verdict::kUndecided);
  EXPECT_EQ(Judge({9, 9, 9}), Verdict::kHeld);  // SD 0
  EXPECT_EQ(Judge({9, 9, kNaN}), Verdict::kUndecided);
  EXPECT_EQ(Judge({9, 9, INFINITY}), Verdict::kUndecided);
}

TEST(ParseVerdictTest, InvertsToString) {
  for (Verdict v : {Verdict::kHeld, Verdict::kNotHeld, Verdict::kUndecided}) {
    EXPECT_EQ(*ParseVerdict(ToString(v)), v);
  }
  const auto bad = ParseVerdict("Held");
  EXPECT_FALSE(bad.ok());
  EXPECT_EQ(bad.status().message(),
            "expected held, not held or undecided, got 'Held'");
}

}  // namespace
}  // namespace seg
