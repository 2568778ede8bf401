#include "spn/patches.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <utility>
#include <vector>

namespace seg {
namespace spn {
namespace {

PatchConfig Config(int64_t size, int64_t per_image, int64_t tries = 10) {
  PatchConfig config;
  config.size = size;
  config.per_image = per_image;
  config.tries = tries;
  return config;
}

TEST(DrawPatchesTest, EveryPositionIsDrawnAndNoOther) {
  at::manual_seed(1);
  const std::vector<Patch> patches =
      DrawPatches(at::zeros({2, 5, 7}, at::kLong), Config(4, 200), 255);
  ASSERT_EQ(patches.size(), 400u);
  std::set<std::pair<int64_t, int64_t>> seen;
  for (size_t i = 0; i < patches.size(); ++i) {
    EXPECT_EQ(patches[i].image, static_cast<int64_t>(i) / 200);
    seen.insert({patches[i].y, patches[i].x});
  }
  EXPECT_EQ(seen.size(), 2u * 4u);
  EXPECT_EQ(*seen.begin(), std::make_pair(int64_t{0}, int64_t{0}));
  EXPECT_EQ(*seen.rbegin(), std::make_pair(int64_t{1}, int64_t{3}));
}

TEST(DrawPatchesTest, TheSeedDecides) {
  const at::Tensor masks = at::zeros({3, 40, 40}, at::kLong);
  const auto draw = [&](uint64_t seed) {
    at::manual_seed(seed);
    std::vector<std::pair<int64_t, int64_t>> corners;
    for (const Patch& p : DrawPatches(masks, Config(8, 4), 255)) {
      corners.emplace_back(p.y, p.x);
    }
    return corners;
  };
  EXPECT_EQ(draw(7), draw(7));
  EXPECT_NE(draw(7), draw(8));
}

TEST(DrawPatchesTest, SquaresOfOneClassAreDrawnAnew) {
  // One pixel in a thousand has the other class; its squares are few.
  at::Tensor masks = at::zeros({1, 32, 32}, at::kLong);
  masks[0][16][16] = 1;
  const auto hits = [&](int64_t tries) {
    at::manual_seed(2);
    int64_t count = 0;
    for (const Patch& p : DrawPatches(masks, Config(8, 300, tries), 255)) {
      count += p.y <= 16 && 16 < p.y + 8 && p.x <= 16 && 16 < p.x + 8;
    }
    return count;
  };
  // 64 of 625 squares hold it: 0.10 at the first draw, 1 - 0.9^11 = 0.70.
  EXPECT_NEAR(hits(0), 31, 16);
  EXPECT_NEAR(hits(10), 209, 32);
}

TEST(DrawPatchesTest, IgnoredPixelsAreNoClass) {
  at::Tensor masks = at::zeros({1, 16, 16}, at::kLong);
  masks[0].narrow(0, 0, 8).fill_(255);
  // One class alone: every first draw is taken, however often one may try.
  const auto draw = [&](int64_t tries) {
    at::manual_seed(3);
    std::vector<std::pair<int64_t, int64_t>> corners;
    for (const Patch& p : DrawPatches(masks, Config(4, 20, tries), 255)) {
      corners.emplace_back(p.y, p.x);
    }
    return corners;
  };
  EXPECT_EQ(draw(1000), draw(0));
}

TEST(DrawPatchesTest, AnImageThatIsTooSmallIsNamed) {
  EXPECT_THAT(
      [] {
        DrawPatches(at::zeros({1, 10, 20}, at::kLong), Config(16, 1), 255);
      },
      testing::Throws<c10::Error>(testing::Property(
          &c10::Error::what_without_backtrace,
          testing::HasSubstr("patch.size: 16 does not fit"))));
}

TEST(CutPatchesTest, CutsWhereTheyLie) {
  const at::Tensor map = at::arange(2 * 3 * 4 * 5).view({2, 3, 4, 5});
  const at::Tensor cut = CutPatches(map, {{1, 2, 3}, {0, 0, 1}}, 2);
  EXPECT_EQ(cut.sizes(), at::IntArrayRef({2, 3, 2, 2}));
  EXPECT_TRUE(at::equal(cut[0], map[1].narrow(1, 2, 2).narrow(2, 3, 2)));
  EXPECT_TRUE(at::equal(cut[1], map[0].narrow(1, 0, 2).narrow(2, 1, 2)));
}

}  // namespace
}  // namespace spn
}  // namespace seg
