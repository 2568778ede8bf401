#include "segnet_rerank/regions/region_mask.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace segnet_rerank {
namespace {

constexpr int64_t kVoid = 255;

// Three superpixels, two regions: the left two, and the right one.
Regions Three() {
  Regions regions;
  regions.superpixels =
      at::tensor({0, 0, 1, 2, 0, 1, 1, 2}, at::kInt).view({2, 4});
  regions.members = at::tensor({1, 1, 0, 0, 0, 1}).view({2, 3}).to(at::kByte);
  regions.score = at::tensor({0.5f, 0.2f});
  return regions;
}

at::Tensor ThreeLabels() {
  return at::tensor({1, 1, 0, 0, 1, 255, 0, 1}).view({2, 4}).to(at::kByte);
}

Regions RandomRegions(int64_t regions, int64_t superpixels, int64_t height,
                      int64_t width) {
  Regions result;
  result.superpixels = at::randint(0, superpixels, {height, width}, at::kInt);
  result.superpixels[0][0] = superpixels - 1;
  result.members = at::randint(0, 2, {regions, superpixels}, at::kByte);
  result.score = at::zeros({regions});
  return result;
}

at::Tensor RandomLabels(int64_t classes, int64_t height, int64_t width) {
  const at::Tensor labels =
      at::randint(0, classes + 1, {height, width}, at::kByte);
  return labels.masked_fill(labels == classes, kVoid);
}

TEST(RegionMasksTest, HandCase) {
  const at::Tensor masks = RegionMasks(Three());
  EXPECT_EQ(masks.scalar_type(), at::kByte);
  EXPECT_TRUE(at::equal(
      masks, at::tensor({1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1})
                 .view({2, 2, 4})
                 .to(at::kByte)));
}

TEST(SuperpixelHistogramTest, HandCase) {
  EXPECT_TRUE(at::equal(
      SuperpixelHistogram(ThreeLabels(), Three().superpixels, 3, kVoid),
      at::tensor({0, 3, 0, 2, 0, 0, 1, 1, 0}, at::kLong).view({3, 3})));
}

TEST(SuperpixelHistogramTest, AgreesWithBruteForce) {
  at::manual_seed(1);
  const Regions regions = RandomRegions(1, 7, 11, 13);
  const at::Tensor labels = RandomLabels(5, 11, 13);
  at::Tensor expected = at::zeros({7, 5}, at::kLong);
  for (int64_t s = 0; s < 7; ++s) {
    for (int64_t c = 0; c < 5; ++c) {
      expected[s][c] = ((regions.superpixels == s) & (labels == c)).sum();
    }
  }
  EXPECT_TRUE(at::equal(
      SuperpixelHistogram(labels, regions.superpixels, 5, kVoid), expected));
  EXPECT_TRUE(
      at::equal(SuperpixelHistogram(ColumnMajor(labels),
                                    ColumnMajor(regions.superpixels), 5, kVoid),
                expected));
}

TEST(RegionOverlapTest, HandCase) {
  const at::Tensor overlap = RegionOverlap(Three(), ThreeLabels(), 3, kVoid);
  ASSERT_EQ(overlap.scalar_type(), at::kFloat);
  // Region 0 has 5 valid pixels, 3 of class 1 and 2 of class 0; class 0 has 3
  // pixels, class 1 has 4, class 2 none.
  EXPECT_TRUE(at::allclose(overlap, at::tensor({2.0f / 6.0f, 3.0f / 6.0f, 0.0f,
                                                1.0f / 4.0f, 1.0f / 5.0f, 0.0f})
                                        .view({2, 3})));
}

TEST(RegionOverlapTest, AgreesWithBruteForce) {
  at::manual_seed(3);
  const int64_t classes = 4;
  const Regions regions = RandomRegions(9, 20, 17, 12);
  const at::Tensor labels = RandomLabels(classes, 17, 12);
  const at::Tensor overlap = RegionOverlap(regions, labels, classes, kVoid);
  const at::Tensor masks = RegionMasks(regions) != 0;
  const at::Tensor valid = labels != kVoid;
  ASSERT_EQ(overlap.sizes(), at::IntArrayRef({9, classes}));
  for (int64_t r = 0; r < 9; ++r) {
    for (int64_t c = 0; c < classes; ++c) {
      const at::Tensor a = masks[r] & valid, b = labels == c;
      const double expected =
          (a & b).sum().item<double>() / (a | b).sum().item<double>();
      EXPECT_FLOAT_EQ(overlap[r][c].item<float>(),
                      static_cast<float>(expected));
    }
  }
}

TEST(RegionOverlapTest, AllVoid) {
  const at::Tensor labels = at::full({2, 4}, kVoid, at::kByte);
  EXPECT_TRUE(
      at::equal(RegionOverlap(Three(), labels, 2, kVoid), at::zeros({2, 2})));
  EXPECT_TRUE(std::isnan(BestOverlap(Three(), labels, 2, kVoid)));
}

TEST(BestOverlapTest, MeanOverTheClassesThere) {
  const at::Tensor best = BestOverlaps(Three(), ThreeLabels(), 3, kVoid);
  EXPECT_FLOAT_EQ(best[0].item<float>(), 2.0f / 6.0f);
  EXPECT_FLOAT_EQ(best[1].item<float>(), 0.5f);
  EXPECT_TRUE(std::isnan(best[2].item<float>()));
  EXPECT_DOUBLE_EQ(BestOverlap(Three(), ThreeLabels(), 3, kVoid), 0.5);
  const at::Tensor two = at::tensor({1, 1, 1, 2, 1, 1, 1, 0}).view({2, 4});
  EXPECT_DOUBLE_EQ(BestOverlap(Three(), two.to(at::kByte), 3, kVoid),
                   0.75);  // 1 and 1/2
}

TEST(BestOverlapTest, NoRegions) {
  Regions regions = Three();
  regions.members = at::zeros({0, 3}, at::kByte);
  regions.score = at::zeros({0});
  EXPECT_EQ(RegionMasks(regions).sizes(), at::IntArrayRef({0, 2, 4}));
  EXPECT_EQ(RegionOverlap(regions, ThreeLabels(), 3, kVoid).sizes(),
            at::IntArrayRef({0, 3}));
  EXPECT_EQ(BestOverlap(regions, ThreeLabels(), 3, kVoid), 0.0);
}

TEST(RegionOverlapTest, RefusesWrongInput) {
  const Regions regions = Three();
  const at::Tensor labels = ThreeLabels();
  ExpectError([&] { RegionOverlap(regions, labels, 1, kVoid); },
              "labels must be below 1 or 255, got 1");
  ExpectError([&] { RegionOverlap(regions, labels.to(at::kLong), 2, kVoid); },
              "labels must be uint8 [2, 4] on the CPU, got Long [2, 4]");
  ExpectError([&] { RegionOverlap(regions, labels[0], 2, kVoid); },
              "got Byte [4]");
  ExpectError([&] { RegionOverlap(regions, labels, 0, kVoid); },
              "classes must be in [1, 256], got 0");
  Regions other = Three();
  other.members = at::zeros({2, 4}, at::kByte);
  ExpectError([&] { RegionOverlap(other, labels, 2, kVoid); },
              "a column for each of the 3 superpixels, got [2, 4]");
  other = Three();
  other.members = at::zeros({2, 3});
  ExpectError([&] { RegionMasks(other); },
              "members must be uint8 [R,S], got Float [2, 3]");
  other = Three();
  other.superpixels = other.superpixels.to(at::kLong);
  ExpectError([&] { RegionMasks(other); },
              "superpixels must be int32 [H,W], got Long [2, 4]");
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
