#include "common/datasets/synthetic/strands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ATen/ATen.h"
#include "common/datasets/open.h"
#include "common/datasets/synthetic/hash_bytes.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::HasSubstr;

StrandsOptions Size(int64_t height, int64_t width) {
  StrandsOptions options;
  options.height = height;
  options.width = width;
  return options;
}

TEST(StrandsTest, GoldenHash) {
  // Integer arithmetic only: these bytes are the same on every machine.
  EXPECT_EQ(
      HashSamples(20, [](int64_t i) { return MakeStrands(Size(48, 64), i); }),
      484212012229701519ULL);
}

TEST(StrandsTest, ThinAndOfBothClassesAlike) {
  double share[3] = {0, 0, 0};
  double brightness[3] = {0, 0, 0};
  double inner = 0;  // strand pixels with strand all around, 2 pixels wide
  constexpr int64_t kCount = 200;
  for (int64_t i = 0; i < kCount; ++i) {
    const Sample sample = MakeStrands(Size(64, 64), i);
    const at::Tensor grey = sample.image.to(at::kDouble).mean(0);
    for (int64_t c = 0; c < 3; ++c) {
      const at::Tensor pixels = sample.mask.eq(c);
      share[c] += pixels.to(at::kDouble).mean().item<double>() / kCount;
      brightness[c] += grey.masked_select(pixels).sum().item<double>();
    }
    const at::Tensor background =
        sample.mask.eq(0).to(at::kFloat).view({1, 1, 64, 64});
    inner += at::max_pool2d(background, 5, 1, 2)
                 .eq(0)
                 .to(at::kDouble)
                 .mean()
                 .item<double>() /
             kCount;
  }
  EXPECT_GT(share[1] + share[2], 0.1);
  EXPECT_LT(share[1] + share[2], 0.4);
  EXPECT_NEAR(share[1], share[2], 0.02);
  EXPECT_LT(inner, 0.01);  // crossings
  for (int64_t c = 0; c < 3; ++c) brightness[c] /= share[c] * kCount * 64 * 64;
  // The picture tells a strand from the background, and no class from the
  // other.
  EXPECT_GT(brightness[1], brightness[0] + 80);
  EXPECT_NEAR(brightness[1], brightness[2], 5);
}

TEST(StrandsTest, SizesAndSeeds) {
  const Sample wide = MakeStrands(Size(32, 80), 3);
  EXPECT_EQ(wide.image.sizes(), (std::vector<int64_t>{3, 32, 80}));
  EXPECT_EQ(wide.mask.sizes(), (std::vector<int64_t>{32, 80}));
  StrandsOptions other = Size(32, 80);
  other.seed = 2;
  EXPECT_FALSE(MakeStrands(other, 3).mask.equal(wide.mask));
  EXPECT_FALSE(MakeStrands(Size(32, 80), 4).mask.equal(wide.mask));
}

TEST(StrandsDatasetTest, OpensByName) {
  DataConfig config;
  config.pack = "synthetic:strands";
  config.synthetic.height = 64;
  config.synthetic.width = 64;
  config.synthetic.train = 4;
  ASSERT_OK_AND_ASSIGN(const auto set, OpenDataset(config, "", "train"));
  EXPECT_EQ(set->size(), 4);
  EXPECT_EQ(set->info().num_classes(), 3);
  ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(3));
  EXPECT_EQ(sample.id, "strands3");
  EXPECT_TRUE(sample.image.equal(MakeStrands(Size(64, 64), 3).image));
  config.synthetic.height = 16;
  EXPECT_THAT(OpenDataset(config, "", "train"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected 32 .. 4096")));
}

}  // namespace
}  // namespace seg
