#include "common/metrics/energy_distance.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "common/testing/torch_errors.h"

namespace seg {
namespace {

// Maps of one row each.
at::Tensor Maps(const std::vector<std::vector<int64_t>>& rows) {
  std::vector<at::Tensor> maps;
  for (const auto& row : rows) maps.push_back(at::tensor(row).view({1, -1}));
  return at::stack(maps);
}

at::Tensor RandomMaps(at::IntArrayRef sizes, int64_t classes, int64_t seed) {
  at::manual_seed(seed);
  return at::randint(0, classes, sizes, at::kLong);
}

double Distance(const at::Tensor& a, const at::Tensor& b,
                const EnergyDistanceOptions& options = {}) {
  return IouDistances(a.unsqueeze(0), b.unsqueeze(0), options).item<double>();
}

TEST(EnergyDistanceTest, HandWorked) {
  // A = {0, 1}, B = {1, 2}: IoU 1/3; both against C = {3}: 0.
  const at::Tensor samples = Maps({{1, 1, 0, 0}, {0, 1, 1, 0}});
  const at::Tensor truths = Maps({{1, 1, 0, 0}, {0, 0, 0, 1}});
  const EnergyDistance distance = GeneralizedEnergyDistance(samples, truths);
  // d(S,Y): 0, 1, 2/3, 1. d(S,S'): 0, 2/3, 2/3, 0. d(Y,Y'): 0, 1, 1, 0.
  EXPECT_NEAR(distance.samples_truths, 2.0 / 3.0, 1e-15);
  EXPECT_NEAR(distance.samples, 1.0 / 3.0, 1e-15);
  EXPECT_NEAR(distance.truths, 0.5, 1e-15);
  EXPECT_NEAR(distance.squared, 0.5, 1e-15);

  EnergyDistanceOptions options;
  options.truth_weights = {3.0, 1.0};  // 3/4, 1/4
  const EnergyDistance weighted =
      GeneralizedEnergyDistance(samples, truths, options);
  EXPECT_NEAR(weighted.samples_truths, 0.75 / 3.0 + 0.25, 1e-15);
  EXPECT_NEAR(weighted.samples, 1.0 / 3.0, 1e-15);
  EXPECT_NEAR(weighted.truths, 2.0 * 0.75 * 0.25, 1e-15);
  EXPECT_NEAR(weighted.squared, 1.0 - 1.0 / 3.0 - 0.375, 1e-15);
}

TEST(EnergyDistanceTest, EmptyMasksAgree) {
  const at::Tensor empty = at::zeros({4, 4}, at::kLong);
  at::Tensor dot = empty.clone();
  dot[1][2] = 1;
  EXPECT_EQ(Distance(empty, empty), 0.0);
  EXPECT_EQ(Distance(empty, dot), 1.0);
  EXPECT_EQ(Distance(dot, dot), 0.0);
  EXPECT_EQ(GeneralizedEnergyDistance(empty.expand({3, 4, 4}),
                                      empty.expand({2, 4, 4}))
                .squared,
            0.0);
}

TEST(EnergyDistanceTest, ClassesThatNeitherHasStayOutOfTheMean) {
  EnergyDistanceOptions options;
  options.num_classes = 4;
  // Class 1: 1/2; class 2: 0 (only in one); class 3: in neither.
  EXPECT_NEAR(
      Distance(Maps({{1, 1, 0, 0}})[0], Maps({{1, 2, 0, 0}})[0], options),
      1.0 - 0.25, 1e-15);
  options.first_class = 0;  // background: 2 / 2
  EXPECT_NEAR(
      Distance(Maps({{1, 1, 0, 0}})[0], Maps({{1, 2, 0, 0}})[0], options),
      1.0 - 0.5, 1e-15);
}

TEST(EnergyDistanceTest, VoidPixelsOfEitherMapDoNotCount) {
  // Of the first two pixels only: IoU 1/2.
  EXPECT_NEAR(
      Distance(Maps({{1, 1, 255, 1, 255}})[0], Maps({{1, 0, 1, 255, 255}})[0]),
      0.5, 1e-15);
  EXPECT_EQ(Distance(Maps({{255, 1}})[0], Maps({{1, 255}})[0]), 0.0);
}

TEST(EnergyDistanceTest, AgreesWithLoops) {
  EnergyDistanceOptions options;
  options.num_classes = 3;
  options.ignore_label = 3;
  const at::Tensor a = RandomMaps({4, 5, 6}, 4, 1);
  const at::Tensor b = RandomMaps({3, 5, 6}, 4, 2);
  const at::Tensor distances = IouDistances(a, b, options);
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t j = 0; j < 3; ++j) {
      const at::Tensor x = a[i].flatten(), y = b[j].flatten();
      double sum = 0.0;
      int classes = 0;
      for (int64_t c = 1; c < 3; ++c) {
        int both = 0, either = 0;
        for (int64_t k = 0; k < 30; ++k) {
          const int64_t u = x[k].item<int64_t>(), v = y[k].item<int64_t>();
          if (u == 3 || v == 3) continue;
          both += u == c && v == c;
          either += u == c || v == c;
        }
        if (either == 0) continue;
        sum += static_cast<double>(both) / either;
        ++classes;
      }
      EXPECT_NEAR(distances[i][j].item<double>(), 1.0 - sum / classes, 1e-14);
    }
  }
  EXPECT_TRUE(at::equal(distances, IouDistances(b, a, options).t()));
}

TEST(EnergyDistanceTest, ZeroForEqualDistributionsAndNotNegative) {
  const at::Tensor truths = RandomMaps({3, 6, 6}, 2, 1);
  // The same maps, each twice and in another order.
  const at::Tensor samples = at::cat({truths.flip(0), truths}).to(at::kByte);
  EXPECT_NEAR(GeneralizedEnergyDistance(samples, truths.to(at::kByte)).squared,
              0.0, 1e-14);
  // With frequencies 2 : 1 : 1 and these weights.
  EnergyDistanceOptions options;
  options.truth_weights = {0.5, 0.25, 0.25};
  EXPECT_NEAR(GeneralizedEnergyDistance(
                  at::cat({truths, truths.slice(0, 0, 1)}), truths, options)
                  .squared,
              0.0, 1e-14);
  for (int64_t seed = 0; seed < 10; ++seed) {
    EXPECT_GE(GeneralizedEnergyDistance(RandomMaps({4, 3, 3}, 2, seed),
                                        RandomMaps({5, 3, 3}, 2, seed + 50))
                  .squared,
              0.0);
  }
}

// What it is for: samples of all modes are better than one mode, than the best
// single answer, and than noise.
TEST(EnergyDistanceTest, PrefersSamplesThatCoverTheModes) {
  at::Tensor left = at::zeros({8, 8}, at::kLong), right = left.clone();
  left.slice(1, 0, 4).fill_(1);
  right.slice(1, 4, 8).fill_(1);
  const at::Tensor truths = at::stack({left, right});
  const auto squared = [&truths](const at::Tensor& samples) {
    return GeneralizedEnergyDistance(samples, truths).squared;
  };
  const double modes = squared(at::stack({left, right, right, left}));
  EXPECT_NEAR(modes, 0.0, 1e-15);
  EXPECT_LT(modes, squared(at::stack({left, left, left, left})));
  EXPECT_LT(modes, squared(at::ones({4, 8, 8}, at::kLong)));
  EXPECT_LT(squared(at::stack({left, left, left, right})),
            squared(at::stack({left, left, left, left})));
  EXPECT_GT(squared(RandomMaps({4, 8, 8}, 2, 3)), 0.1);
}

TEST(EnergyDistanceTest, OneMapEachAndAnyStrides) {
  const at::Tensor a = RandomMaps({1, 4, 6}, 2, 1);
  const at::Tensor b = RandomMaps({1, 4, 6}, 2, 2);
  const EnergyDistance distance = GeneralizedEnergyDistance(a, b);
  EXPECT_EQ(distance.samples, 0.0);
  EXPECT_EQ(distance.truths, 0.0);
  EXPECT_NEAR(distance.squared, 2.0 * Distance(a[0], b[0]), 1e-15);
  const at::Tensor strided = b.transpose(1, 2).contiguous().transpose(1, 2);
  EXPECT_EQ(GeneralizedEnergyDistance(a, strided).squared, distance.squared);
  EXPECT_EQ(GeneralizedEnergyDistance(at::zeros({2, 0, 4}, at::kLong),
                                      at::zeros({2, 0, 4}, at::kLong))
                .squared,
            0.0);
}

TEST(EnergyDistanceTest, Errors) {
  const at::Tensor x = at::zeros({2, 4, 4}, at::kLong);
  ExpectError([&] { GeneralizedEnergyDistance(x[0], x); },
              "the first set must be [maps, H, W], got sizes [4, 4]");
  ExpectError([&] { GeneralizedEnergyDistance(x, x.slice(0, 0, 0)); },
              "the second set has no maps");
  ExpectError([&] { GeneralizedEnergyDistance(x, x.slice(1, 0, 3)); },
              "one size, got 4 x 4 and 3 x 4");
  ExpectError([&] { GeneralizedEnergyDistance(x, x + 2); },
              "has label 2, which is neither in 0..1 nor the ignore label 255");
  ExpectError([&] { GeneralizedEnergyDistance(x.to(at::kFloat), x); },
              "int64 or uint8, got Float");
  EnergyDistanceOptions options;
  options.truth_weights = {1.0};
  ExpectError([&] { GeneralizedEnergyDistance(x, x, options); },
              "one for each of 2 truths, got 1");
  options.truth_weights = {0.0, 0.0};
  ExpectError([&] { GeneralizedEnergyDistance(x, x, options); },
              "must not all be zero");
  options.truth_weights = {2.0, -1.0};
  ExpectError([&] { GeneralizedEnergyDistance(x, x, options); },
              "not negative, got -1");
  options = {};
  options.first_class = 2;
  ExpectError([&] { GeneralizedEnergyDistance(x, x, options); },
              "first_class must be in 0..1, got 2");
}

}  // namespace
}  // namespace seg
