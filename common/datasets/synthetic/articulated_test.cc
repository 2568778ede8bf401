#include "common/datasets/synthetic/articulated.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "ATen/ATen.h"
#include "common/datasets/open.h"
#include "common/datasets/synthetic/hash_bytes.h"
#include "common/testing/status_matchers.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using testing::HasSubstr;

ArticulatedOptions Size(int64_t height, int64_t width) {
  ArticulatedOptions options;
  options.height = height;
  options.width = width;
  return options;
}

double Share(const at::Tensor& pixels) {
  return pixels.to(at::kDouble).mean().item<double>();
}

TEST(ArticulatedTest, GoldenHash) {
  // Integer arithmetic only: these bytes are the same on every machine.
  EXPECT_EQ(HashSamples(
                20, [](int64_t i) { return MakeArticulated(Size(48, 64), i); }),
            8688690970700588339ULL);
}

// What a generator is told by, and what judges generated pictures.
TEST(ArticulatedTest, SharesOfThePartsAndColoursThatTellThem) {
  for (const int64_t side : {32, 64}) {
    SCOPED_TRACE(side);
    constexpr int64_t kCount = 200;
    double foreground = 0, iou = 0, right = 0;
    double least[4] = {1, 1, 1, 1};
    for (int64_t i = 0; i < kCount; ++i) {
      const Sample sample = MakeArticulated(Size(side, side), i);
      const at::Tensor rule = ArticulatedRule(sample.image);
      const at::Tensor is = rule.ne(0), truth = sample.mask.ne(0);
      foreground += Share(truth) / kCount;
      iou += Share(is & truth) / Share(is | truth) / kCount;
      right += Share(rule.eq(sample.mask)) / kCount;
      for (int64_t c = 0; c < 4; ++c) {
        least[c] = std::min(least[c], Share(sample.mask.eq(c)));
      }
    }
    EXPECT_NEAR(foreground, 0.135, 0.005);
    EXPECT_GE(iou, 0.97);
    EXPECT_GE(right, 0.99);
    // No part is ever out of sight.
    EXPECT_GT(least[0], 0.7);
    EXPECT_GT(least[1], 0.04);
    EXPECT_GT(least[2], 0.01);
    EXPECT_GT(least[3], 0.004);
  }
}

TEST(ArticulatedTest, PlacesVary) {
  // The body's centre, over the side: a third of it each way at least.
  double low[2] = {1, 1}, high[2] = {0, 0};
  for (int64_t i = 0; i < 100; ++i) {
    const Sample sample = MakeArticulated(Size(64, 64), i);
    const at::Tensor places = sample.mask.eq(1).nonzero().to(at::kDouble);
    for (int64_t axis = 0; axis < 2; ++axis) {
      const double centre = places.select(1, axis).mean().item<double>() / 64;
      low[axis] = std::min(low[axis], centre);
      high[axis] = std::max(high[axis], centre);
    }
  }
  EXPECT_LT(low[0], 0.33);
  EXPECT_GT(high[0], 0.67);
  EXPECT_LT(low[1], 0.42);  // along the object there is less room
  EXPECT_GT(high[1], 0.58);
}

TEST(ArticulatedTest, SizesAndSeeds) {
  const Sample wide = MakeArticulated(Size(32, 80), 3);
  EXPECT_EQ(wide.image.sizes(), (std::vector<int64_t>{3, 32, 80}));
  EXPECT_EQ(wide.mask.sizes(), (std::vector<int64_t>{32, 80}));
  EXPECT_EQ(wide.path, "articulated:1:3");
  ArticulatedOptions other = Size(32, 80);
  other.seed = 2;
  EXPECT_FALSE(MakeArticulated(other, 3).mask.equal(wide.mask));
  EXPECT_FALSE(MakeArticulated(Size(32, 80), 4).mask.equal(wide.mask));
  EXPECT_TRUE(MakeArticulated(Size(32, 80), 3).image.equal(wide.image));
}

TEST(ArticulatedRuleTest, ByHand) {
  // Yellow, green, red, grey, a dull red, half a red on black.
  const at::Tensor rgb = at::tensor({200, 60, 220, 128, 120, 80,  //
                                     200, 210, 60, 128, 100, 0,   //
                                     40, 60, 60, 128, 100, 0},
                                    at::kByte)
                             .view({3, 1, 6});
  const at::Tensor labels =
      at::tensor({1, 2, 3, 0, 0, 3}, at::kByte).view({1, 6});
  EXPECT_TRUE(ArticulatedRule(rgb).equal(labels));
  // Batches, other types and other layouts.
  const at::Tensor batch = at::stack({rgb, rgb.flip(2)});
  const at::Tensor expected = at::stack({labels, labels.flip(1)});
  EXPECT_TRUE(ArticulatedRule(batch).equal(expected));
  EXPECT_TRUE(ArticulatedRule(batch.to(at::kDouble)).equal(expected));
  EXPECT_TRUE(
      ArticulatedRule(
          batch.to(at::kFloat).contiguous(at::MemoryFormat::ChannelsLast))
          .equal(expected));
  EXPECT_EQ(ArticulatedRule(at::zeros({0, 3, 4, 5})).sizes(),
            at::IntArrayRef({0, 4, 5}));
  EXPECT_EQ(ArticulatedRule(rgb).scalar_type(), at::kByte);
}

TEST(ArticulatedRuleTest, Errors) {
  ExpectError(
      [] {
        ArticulatedRule(at::zeros({1, 4, 8, 8}));
      },
      "images must be [N,3,H,W] or [3,H,W], got sizes [1, 4, 8, 8]");
  ExpectError(
      [] {
        ArticulatedRule(at::zeros({3, 8, 8}, at::kLong));
      },
      "uint8 or floating point, got Long");
}

TEST(ArticulatedDatasetTest, OpensByName) {
  DataConfig config;
  config.pack = "synthetic:articulated";
  config.synthetic.height = 64;
  config.synthetic.width = 64;
  config.synthetic.train = 4;
  ASSERT_OK_AND_ASSIGN(const auto set, OpenDataset(config, "", "train"));
  EXPECT_EQ(set->size(), 4);
  EXPECT_THAT(set->info().class_names,
              testing::ElementsAre("background", "body", "head", "tail"));
  ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(3));
  EXPECT_EQ(sample.id, "articulated3");
  EXPECT_TRUE(sample.image.equal(MakeArticulated(Size(64, 64), 3).image));
  ASSERT_OK_AND_ASSIGN(const auto test, OpenDataset(config, "", "test"));
  ASSERT_OK_AND_ASSIGN(const Sample other, test->Get(3));
  EXPECT_FALSE(other.mask.equal(sample.mask));
  config.synthetic.height = 16;
  EXPECT_THAT(OpenDataset(config, "", "train"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected 32 .. 4096")));
}

}  // namespace
}  // namespace seg
