#include "ganseg/heatmaps.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/testing/gradcheck.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"
#include "ganseg/geometry.h"

namespace seg {
namespace ganseg {
namespace {

using ::testing::ElementsAre;

at::Tensor Tensor(std::vector<double> values, at::IntArrayRef sizes) {
  return at::tensor(values, at::kDouble).view(sizes);
}

// Two parts of two points.
at::Tensor Points() {
  return Tensor({0.0, 0.0, 0.3, 0.4, -0.5, 0.1, -0.5, -0.1}, {1, 4, 2});
}

TEST(PartsTest, HandWorked) {
  EXPECT_THAT(Values(PartCentres(Points(), 2)),
              ElementsAre(0.15, 0.2, -0.5, 0));
  // |deviations|: 0.15 and 0.2; 0 and 0.1.
  const std::vector<double> cone = Values(MeanAbsoluteDeviation(Points(), 2));
  EXPECT_NEAR(cone[0], 0.175 + 1e-6, 1e-15);
  EXPECT_NEAR(cone[1], 0.05 + 1e-6, 1e-15);
  // Two points are equally far from their centre.
  const std::vector<double> gaussian = Values(RadiusVariance(Points(), 2));
  EXPECT_NEAR(gaussian[0], 1e-6, 1e-15);
  // Radii 1, 1 and 2, 2: mean 1.5, unbiased variance 4 * 0.25 / 3.
  const at::Tensor cross = Tensor({1, 0, -1, 0, 0, 2, 0, -2}, {1, 4, 2});
  EXPECT_NEAR(RadiusVariance(cross, 1).item<double>(), 1.0 / 3 + 1e-6, 1e-15);
  EXPECT_NEAR(MeanAbsoluteDeviation(cross, 1).item<double>(), 0.75 + 1e-6,
              1e-15);
}

TEST(PartsTest, CentresOfMasks) {
  const at::Tensor axis = Tensor({-0.5, 0, 0.5}, {3});
  at::Tensor masks = at::zeros({1, 3, 3, 3}, at::kDouble);
  masks[0][0][2][0] = 1;
  masks[0][1][0][1] = 3;  // three times as heavy as
  masks[0][1][2][2] = 1;
  const std::vector<double> found = Values(MaskCentres(masks, axis));
  const double expected[] = {0.5, -0.5, -0.25, 0.125, 0, 0};
  ASSERT_EQ(found.size(), 6u);
  for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(found[i], expected[i], 1e-6) << i;
  EXPECT_TRUE(
      GradCheck([&](const auto& in) { return MaskCentres(in[0], axis); },
                {at::rand({2, 2, 3, 3}, at::kDouble) + 0.1}));
  ExpectError([&] { MaskCentres(masks, axis.slice(0, 0, 2)); },
              "axis must be [3], got [2]");
}

TEST(PartScalesTest, OnePerTypeOrFixed) {
  const at::Tensor points = Random({3, 12, 2});
  EXPECT_TRUE(at::equal(PartScales(HeatmapType::kCone, std::nullopt, points, 3),
                        MeanAbsoluteDeviation(points, 3)));
  EXPECT_TRUE(
      at::equal(PartScales(HeatmapType::kGaussian, std::nullopt, points, 3),
                RadiusVariance(points, 3)));
  EXPECT_TRUE(at::equal(PartScales(HeatmapType::kCone, 0.00725, points, 3),
                        at::full({3, 3}, 0.00725, at::kDouble)));
}

TEST(PartScalesTest, OnePointIsRefused) {
  const at::Tensor points = Random({1, 3, 2});
  for (const HeatmapType type : {HeatmapType::kCone, HeatmapType::kGaussian}) {
    ExpectError([&] { PartScales(type, std::nullopt, points, 3); },
                "needs at least 2 points for its scale, got 1");
  }
}

TEST(PartsTest, GradientMatchesFiniteDifferences) {
  const at::Tensor points = Random({2, 6, 2});
  for (const auto& scale : {MeanAbsoluteDeviation, RadiusVariance}) {
    EXPECT_TRUE(
        GradCheck([&](const auto& in) { return scale(in[0], 2); }, {points}));
  }
}

TEST(PartsTest, EqualPointsHaveAFiniteGradient) {
  for (const auto& scale : {MeanAbsoluteDeviation, RadiusVariance}) {
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
      const at::Tensor points =
          at::full({1, 4, 2}, 0.25, type).set_requires_grad(true);
      const at::Tensor g =
          torch::autograd::grad({scale(points, 1).sum()}, {points})[0];
      EXPECT_EQ(g.abs().max().item<double>(), 0);
    }
  }
}

at::Tensor Axis(int64_t size, int64_t margin = 0) {
  return GridAxis(GridType::kPixelCentred, size, margin, at::kDouble);
}

TEST(HeatmapsTest, AgreesWithLoops) {
  const at::Tensor centres = Random({2, 3, 2}, 1) * 0.5;
  const at::Tensor tau = Random({2, 3}, 2).square() + 0.05;
  const at::Tensor axis = Axis(6, 2);
  for (const HeatmapType type : {HeatmapType::kGaussian, HeatmapType::kCone}) {
    const at::Tensor maps = Heatmaps(type, centres, tau, axis);
    ASSERT_THAT(maps.sizes(), ElementsAre(2, 3, 10, 10));
    EXPECT_TRUE(maps.is_contiguous(at::MemoryFormat::ChannelsLast));
    const auto h = maps.accessor<double, 4>();
    const auto x = centres.accessor<double, 3>();
    const auto t = tau.accessor<double, 2>();
    const auto p = axis.accessor<double, 1>();
    for (int64_t n = 0; n < 2; ++n) {
      for (int64_t k = 0; k < 3; ++k) {
        for (int64_t i = 0; i < 10; ++i) {
          for (int64_t j = 0; j < 10; ++j) {
            const double d = std::hypot(p[i] - x[n][k][0], p[j] - x[n][k][1]);
            const double expected = type == HeatmapType::kGaussian
                                        ? std::exp(-d * d / t[n][k])
                                        : std::max(0.0, 1 - d / t[n][k]);
            EXPECT_NEAR(h[n][k][i][j], expected, 1e-14);
          }
        }
      }
    }
  }
}

TEST(HeatmapsTest, KnownDistances) {
  // Pixels at -0.75, -0.25, 0.25, 0.75; the centre is one of them.
  const at::Tensor centre = Tensor({-0.25, 0.25}, {1, 1, 2});
  const at::Tensor tau = Tensor({0.25}, {1, 1});
  const at::Tensor gaussian =
      Heatmaps(HeatmapType::kGaussian, centre, tau, Axis(4))[0][0];
  EXPECT_EQ(gaussian[1][2].item<double>(), 1);
  // At distance 0.5 = sqrt(tau).
  EXPECT_NEAR(gaussian[1][1].item<double>(), std::exp(-1), 1e-15);
  EXPECT_NEAR(gaussian[2][2].item<double>(), std::exp(-1), 1e-15);
  const at::Tensor cone =
      Heatmaps(HeatmapType::kCone, centre, tau, Axis(4))[0][0];
  EXPECT_EQ(cone[1][2].item<double>(), 1);
  EXPECT_EQ(cone.sum().item<double>(), 1);  // 0 from tau on
}

TEST(HeatmapsTest, TipOfTheConeHasGradientZero) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const at::Tensor centre =
        Tensor({-0.25, 0.25}, {1, 1, 2}).to(type).set_requires_grad(true);
    const at::Tensor tau = at::full({1, 1}, 0.25, type).set_requires_grad(true);
    const at::Tensor tip =
        Heatmaps(HeatmapType::kCone, centre, tau, Axis(4).to(type))[0][0][1][2];
    const auto g = torch::autograd::grad({tip}, {centre, tau});
    EXPECT_EQ(g[0].abs().max().item<double>(), 0);
    // d / tau^2, with the root of the smallest normal number for d.
    EXPECT_LT(g[1].abs().max().item<double>(), 1e-17);
  }
}

TEST(HeatmapsTest, GradientMatchesFiniteDifferences) {
  const at::Tensor centres = Random({2, 2, 2}, 1) * 0.5;
  const at::Tensor tau = Random({2, 2}, 2).square() + 0.5;
  for (const HeatmapType type : {HeatmapType::kGaussian, HeatmapType::kCone}) {
    EXPECT_TRUE(GradCheck(
        [&](const auto& in) { return Heatmaps(type, in[0], in[1], Axis(4)); },
        {centres, tau}));
  }
}

TEST(HeatmapsTest, Errors) {
  const at::Tensor axis = Axis(4), centres = at::zeros({2, 3, 2}, at::kDouble);
  ExpectError(
      [&] {
        Heatmaps(HeatmapType::kCone, at::zeros({2, 3}), centres, axis);
      },
      "centres must be [N,K,2], got [2, 3]");
  ExpectError(
      [&] {
        Heatmaps(HeatmapType::kCone, centres, at::zeros({2, 4}), axis);
      },
      "scales must be [2, 3], as the centres, got [2, 4]");
  ExpectError(
      [&] {
        PartCentres(at::zeros({2, 7, 2}), 3);
      },
      "points must be [N,3*n,2], got [2, 7, 2]");
}

TEST(StyleMapTest, AgreesWithSums) {
  const at::Tensor maps = Random({2, 4, 5, 6}, 1);
  const at::Tensor w = Random({2, 3, 7}, 2);
  const at::Tensor expected = at::einsum(
      "nkhw,nks->nshw", {maps.narrow(1, 0, 3), w});  // the fourth is left out
  for (const at::Tensor& like : {maps, ChannelsLast(maps), Sparse(maps)}) {
    const at::Tensor got = StyleMap(like, w);
    EXPECT_LT((got - expected).abs().max().item<double>(), 1e-14);
    EXPECT_TRUE(got.is_contiguous(at::MemoryFormat::ChannelsLast));
  }
  EXPECT_TRUE(GradCheck([](const auto& in) { return StyleMap(in[0], in[1]); },
                        {Random({1, 3, 2, 2}, 1), Random({1, 2, 3}, 2)}));
  ExpectError([&] { StyleMap(maps.narrow(1, 0, 2), w); },
              "maps must be [N,K,H,W] and embeddings [N,K,S]");
}

// Moving one part changes the style only where its cone is or was.
TEST(StyleMapTest, APartActsWithinItsConeOnly) {
  const at::Tensor centres = Tensor({-0.5, -0.5, 0.5, 0.5}, {1, 2, 2});
  const at::Tensor moved = Tensor({-0.5, -0.5, 0.25, 0.5}, {1, 2, 2});
  const at::Tensor tau = Tensor({0.3, 0.3}, {1, 2}), w = Random({1, 2, 4});
  const auto style = [&](const at::Tensor& x) {
    return StyleMap(Heatmaps(HeatmapType::kCone, x, tau, Axis(32)), w)[0];
  };
  const at::Tensor different = (style(centres) != style(moved)).any(0);
  const at::Tensor rows = Axis(32).unsqueeze(1);
  const auto within = [&](double row) {
    return (rows - row).square() + (Axis(32) - 0.5).square() < 0.09;
  };
  EXPECT_TRUE(at::equal(different & ~(within(0.5) | within(0.25)),
                        at::zeros({32, 32}, at::kBool)));
  EXPECT_TRUE(different.any().item<bool>());
}

}  // namespace
}  // namespace ganseg
}  // namespace seg
