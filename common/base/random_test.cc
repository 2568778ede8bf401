#include "common/base/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace seg {
namespace {

TEST(RngTest, MatchesPublishedSplitMix64) {
  // The first outputs for seed 1234567 of the reference implementation
  // (S. Vigna, splitmix64.c).
  Rng rng(1234567);
  EXPECT_EQ(rng.Bits(), 6457827717110365317ULL);
  EXPECT_EQ(rng.Bits(), 3203168211198807973ULL);
  EXPECT_EQ(rng.Bits(), 9817491932198370423ULL);
}

TEST(RngTest, BelowCoversItsRangeEvenly) {
  Rng rng(5);
  std::vector<int> count(7, 0);
  for (int i = 0; i < 7000; ++i) ++count[rng.Below(7)];
  // 1000 each; the standard deviation is 29, five of them are allowed.
  for (const int c : count) EXPECT_NEAR(c, 1000, 146);
}

TEST(RngTest, BetweenIncludesBothEnds) {
  Rng rng(6);
  std::set<int64_t> seen;
  for (int i = 0; i < 200; ++i) seen.insert(rng.Between(-2, 2));
  EXPECT_THAT(seen, testing::ElementsAre(-2, -1, 0, 1, 2));
  EXPECT_EQ(rng.Between(9, 9), 9);
}

TEST(RngTest, UniformStaysBelowOne) {
  Rng rng(7);
  double sum = 0;
  for (int i = 0; i < 4000; ++i) {
    const double u = rng.Uniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
  }
  // The mean's standard deviation is 0.29 / sqrt(4000) = 0.0046.
  EXPECT_NEAR(sum / 4000, 0.5, 0.023);
}

TEST(RandomKeyTest, DependsOnEveryPartAndOnTheOrder) {
  const std::set<uint64_t> keys = {RandomKey({0, 0, 0}), RandomKey({1, 0, 0}),
                                   RandomKey({0, 1, 0}), RandomKey({0, 0, 1}),
                                   RandomKey({0, 0}),    RandomKey({0}),
                                   RandomKey({1, 2}),    RandomKey({2, 1})};
  EXPECT_EQ(keys.size(), 8u);
}

TEST(RandomPermutationTest, IsAPermutationKeyedByTheKey) {
  const std::vector<int64_t> a = RandomPermutation(50, 1);
  EXPECT_EQ(a, RandomPermutation(50, 1));
  EXPECT_NE(a, RandomPermutation(50, 2));
  std::vector<int64_t> sorted = a;
  std::sort(sorted.begin(), sorted.end());
  for (int64_t i = 0; i < 50; ++i) EXPECT_EQ(sorted[i], i);
  EXPECT_TRUE(RandomPermutation(0, 1).empty());
  EXPECT_THAT(RandomPermutation(1, 1), testing::ElementsAre(0));
}

TEST(RandomPermutationTest, AllOrdersOfThreeAreEquallyLikely) {
  std::vector<int> count(27, 0);
  for (uint64_t key = 0; key < 6000; ++key) {
    const auto p = RandomPermutation(3, RandomKey({key}));
    ++count[p[0] * 9 + p[1] * 3 + p[2]];
  }
  for (const int c : count) {
    // 1000 each, standard deviation 29.
    if (c != 0) {
      EXPECT_NEAR(c, 1000, 146);
    }
  }
  EXPECT_EQ(std::count(count.begin(), count.end(), 0), 21);
}

}  // namespace
}  // namespace seg
