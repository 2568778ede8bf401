#include "crfgrad/filter_pictures.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "common/layers/permutohedral/taps.h"

namespace seg {
namespace crfgrad {
namespace {

using ::testing::ElementsAre;

std::array<int, 3> Colour(const at::Tensor& rgb, int64_t y, int64_t x) {
  std::array<int, 3> colour;
  for (int64_t c = 0; c < 3; ++c) colour[c] = rgb[c][y][x].item<int>();
  return colour;
}

TEST(SignedColoursTest, WhiteAtZeroAndFullAtTheScale) {
  const at::Tensor values =
      at::tensor({0.0, 2.0, -2.0, 1.0, 9.0, std::nan("")}).view({1, 6});
  const at::Tensor rgb = SignedColours(values, 2);
  ASSERT_EQ(rgb.sizes(), at::IntArrayRef({3, 1, 6}));
  EXPECT_THAT(Colour(rgb, 0, 0), ElementsAre(255, 255, 255));
  EXPECT_THAT(Colour(rgb, 0, 1), ElementsAre(213, 94, 0));
  EXPECT_THAT(Colour(rgb, 0, 2), ElementsAre(0, 114, 178));
  EXPECT_THAT(Colour(rgb, 0, 3), ElementsAre(234, 174, 128));
  EXPECT_THAT(Colour(rgb, 0, 4), ElementsAre(213, 94, 0));
  EXPECT_THAT(Colour(rgb, 0, 5), ElementsAre(160, 160, 160));
  // Filters that are all zero.
  EXPECT_THAT(Colour(SignedColours(at::zeros({1, 1}), 0), 0, 0),
              ElementsAre(255, 255, 255));
}

TEST(SpatialPictureTest, ACellForEachPairOfLabels) {
  at::Tensor filters = at::zeros({2, 2, 3, 5});
  filters[0][1][2][4] = 4;
  filters[1][0][0][1] = -4;
  const FilterPicture picture = SpatialPicture(filters);
  EXPECT_EQ(picture.scale, 4);
  // Cells of 3 x 5 taps, a tap of gap between them, 12 pixels a tap.
  ASSERT_EQ(picture.rgb.sizes(), at::IntArrayRef({3, 7 * 12, 11 * 12}));
  const auto tap = [&](int64_t row, int64_t column) {
    return Colour(picture.rgb, row * 12 + 5, column * 12 + 5);
  };
  EXPECT_THAT(tap(2, 6 + 4), ElementsAre(213, 94, 0));
  EXPECT_THAT(tap(4, 1), ElementsAre(0, 114, 178));
  EXPECT_THAT(tap(0, 0), ElementsAre(255, 255, 255));
  EXPECT_THAT(tap(3, 0), ElementsAre(160, 160, 160));
  EXPECT_THAT(tap(0, 5), ElementsAre(160, 160, 160));
}

TEST(OffsetsByLengthTest, FourLengths) {
  const auto groups = OffsetsByLength(63);
  ASSERT_EQ(groups.size(), 4u);
  EXPECT_THAT(groups[0], ElementsAre(0));
  EXPECT_EQ(groups[1].size(), 12u);
  EXPECT_EQ(groups[2].size(), 30u);
  EXPECT_EQ(groups[3].size(), 20u);
  // The Gaussian is a function of the length, and falls with it.
  const at::Tensor gaussian = PermutohedralGaussianTaps(5, 1);
  double before = 2;
  for (const auto& group : groups) {
    const double value = gaussian[group[0]].item<double>();
    EXPECT_LT(value, before);
    before = value;
    for (const int64_t o : group) {
      EXPECT_NEAR(gaussian[o].item<double>(), value, 1e-12);
    }
  }
}

TEST(BilateralPictureTest, ABlockForEachLabelNearestOffsetsFirst) {
  at::Tensor filters = at::zeros({2, 2, 63});
  filters[0][1][0] = 2;   // centre
  filters[1][0][7] = -2;  // three steps: the last group
  const FilterPicture picture = BilateralPicture(filters);
  EXPECT_EQ(picture.scale, 2);
  // Two blocks of two rows, a gap between; 63 offsets and three gaps.
  ASSERT_EQ(picture.rgb.sizes(), at::IntArrayRef({3, 5 * 12, 66 * 12}));
  const auto tap = [&](int64_t row, int64_t column) {
    return Colour(picture.rgb, row * 12 + 5, column * 12 + 5);
  };
  EXPECT_THAT(tap(1, 0), ElementsAre(213, 94, 0));
  EXPECT_THAT(tap(0, 1), ElementsAre(160, 160, 160));
  EXPECT_THAT(tap(2, 0), ElementsAre(160, 160, 160));
  // The first of the 20: behind 1 + 12 + 30 offsets and three gaps.
  EXPECT_THAT(tap(3, 46), ElementsAre(0, 114, 178));
}

TEST(FilterPicturesTest, ManyLabelsGetSmallTaps) {
  const FilterPicture picture = SpatialPicture(at::randn({21, 21, 9, 9}));
  // 209 taps a side.
  EXPECT_EQ(picture.rgb.sizes(), at::IntArrayRef({3, 209 * 7, 209 * 7}));
}

}  // namespace
}  // namespace crfgrad
}  // namespace seg
