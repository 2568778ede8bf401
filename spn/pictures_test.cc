#include "spn/pictures.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
