#include "spn/pictures.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace seg {
namespace spn {
namespace {

constexpr GateNormalization kRules[] = {
    GateNormalization::kNone, GateNormalization::kTanh,
    GateNormalization::kDivide, GateNormalization::kClamp,
    GateNormalization::kDividePlus};
constexpr ScanDirection kAll[] = {
    ScanDirection::kLeftToRight, ScanDirection::kRightToLeft,
    ScanDirection::kTopToBottom, ScanDirection::kBottomToTop};

TEST(NormalizedGatesTest, AreWhatTheOperatorUses) {
  // The operator on raw gates under a rule equals the operator without a rule
  // on the gates made here.
  at::manual_seed(1);
  for (const bool three_way : {true, false}) {
    for (const GateNormalization rule : kRules) {
      for (const bool sum_all : {false, true}) {
        if (!three_way && (rule == GateNormalization::kDivide ||
                           rule == GateNormalization::kDividePlus)) {
          continue;
        }
        const auto options = SpatialPropagationOptions()
                                 .three_way(three_way)
                                 .normalization(rule)
                                 .sum_all_gates(sum_all);
        const auto plain =
            SpatialPropagationOptions().three_way(three_way).normalization(
                GateNormalization::kNone);
        const at::Tensor x = at::randn({2, 3, 5, 4}, at::kDouble);
        const at::Tensor raw =
            at::randn({2, three_way ? 9 : 3, 5, 4}, at::kDouble);
        for (const ScanDirection direction : kAll) {
          const at::Tensor p = NormalizedGates(raw, direction, options);
          EXPECT_TRUE(
              at::allclose(SpatialPropagationScan(x, p, direction, plain),
                           SpatialPropagationScan(x, raw, direction, options),
                           1e-10, 1e-12));
        }
      }
    }
  }
}

TEST(GatesPictureTest, ZeroGatesAreGrey) {
  const at::Tensor picture = GatesPicture(
      at::zeros({1, 24, 6, 5}),
      SpatialPropagationOptions().normalization(GateNormalization::kClamp));
  EXPECT_EQ(picture.size(1), 6);
  EXPECT_EQ(picture.size(2), 4 * 5 + 3 * 4);
  EXPECT_TRUE(picture.narrow(2, 0, 5).eq(128).all().item<bool>());
}

TEST(GatesPictureTest, ColoursAreTheGatesOfADirection) {
  // Two channels, gates (p_-1, p_0, p_+1) constant in each direction d:
  // (0.2, -0.3, 0.1 d), in the mean over channels.
  at::Tensor gates = at::empty({1, 4, 3, 2, 6, 6});
  for (int64_t d = 0; d < 4; ++d) {
    const double p[3] = {0.2, -0.3, 0.1 * static_cast<double>(d)};
    for (int64_t k = 0; k < 3; ++k) {
      at::Tensor both = gates.select(1, d).select(1, k);
      both.select(1, 0).fill_(p[k] + 0.1);
      both.select(1, 1).fill_(p[k] - 0.1);
    }
  }
  const auto colour = [](double p) {
    return static_cast<int64_t>(std::lround(255 * (p + 1) / 2));
  };
  const at::Tensor picture = GatesPicture(
      gates.view({1, 24, 6, 6}),
      SpatialPropagationOptions().normalization(GateNormalization::kNone));
  for (int64_t d = 0; d < 4; ++d) {
    const at::Tensor middle =
        picture.narrow(2, d * 10, 6).select(2, 3).select(1, 3).to(at::kLong);
    EXPECT_EQ(middle[0].item<int64_t>(), colour(0.2)) << d;
    EXPECT_EQ(middle[1].item<int64_t>(), colour(-0.3)) << d;
    EXPECT_EQ(middle[2].item<int64_t>(), colour(0.1 * static_cast<double>(d)))
        << d;
  }
  // The first column has no source from the left, the top row none from above.
  EXPECT_TRUE(picture.select(2, 0).eq(128).all().item<bool>());
  EXPECT_TRUE(picture.narrow(2, 20, 6).select(1, 0).eq(128).all().item<bool>());
  // One-way: grey of the one gate.
  const at::Tensor one =
      GatesPicture(at::full({1, 8, 6, 6}, 0.5),
                   SpatialPropagationOptions().three_way(false).normalization(
                       GateNormalization::kNone));
  EXPECT_TRUE(one.narrow(2, 1, 5).eq(colour(0.5)).all().item<bool>());
}

TEST(AffinityPictureTest, EachDirectionLightsItsOwnSide) {
  // Gates (0, 1, 0): an impulse is carried on, straight ahead.
  at::Tensor gates = at::zeros({1, 4, 3, 1, 16, 16});
  gates.select(2, 1).fill_(1);
  gates = gates.view({1, 12, 16, 16});
  const at::Tensor image = at::zeros({3, 32, 32}, at::kByte);
  const at::Tensor picture = AffinityPicture(
      image, gates, 16, 16, 2,
      SpatialPropagationOptions().normalization(GateNormalization::kClamp));
  ASSERT_EQ(picture.size(2), 6 * 32 + 5 * 4);
  const auto panel = [&](int64_t k) { return picture.narrow(2, k * 36, 32); };
  // With gate 1 a pixel hears the step before it and not itself; the pixel
  // with the impulse hears nothing of it, those after it nothing either.
  // (x has gain 1 - p = 0 past the first step.)
  for (int64_t k = 1; k <= 4; ++k) {
    EXPECT_EQ(panel(k).max().item<int64_t>(), 0) << k;
  }
  // Half open: a tail in the direction of the scan, none against it.
  gates.fill_(0);
  gates.view({1, 4, 3, 1, 16, 16}).select(2, 1).fill_(0.5);
  const at::Tensor half = AffinityPicture(
      image, gates, 16, 16, 2,
      SpatialPropagationOptions().normalization(GateNormalization::kClamp));
  const auto lit = [&](int64_t k, int64_t y, int64_t x) {
    return half[0][y][k * 36 + x].item<int64_t>() > 0;
  };
  EXPECT_TRUE(lit(1, 16, 20));
  EXPECT_FALSE(lit(1, 16, 10));
  EXPECT_TRUE(lit(2, 16, 10));
  EXPECT_FALSE(lit(2, 16, 22));
  EXPECT_TRUE(lit(3, 20, 16));
  EXPECT_TRUE(lit(4, 10, 16));
  EXPECT_TRUE(lit(5, 20, 20));  // the second unit turns the corner
}

TEST(AffinityPictureTest, APixelOutsideIsRefused) {
  EXPECT_THROW(
      AffinityPicture(at::zeros({3, 8, 8}, at::kByte), at::zeros({1, 12, 4, 4}),
                      8, 0, 1, SpatialPropagationOptions()),
      c10::Error);
}

}  // namespace
}  // namespace spn
}  // namespace seg
