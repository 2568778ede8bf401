#include "common/metrics/connected_regions.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace seg {
namespace {

at::Tensor Rows(const std::vector<std::vector<int64_t>>& rows) {
  at::Tensor out = at::zeros(
      {static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows[0].size())},
      at::kLong);
  for (size_t y = 0; y < rows.size(); ++y) {
    for (size_t x = 0; x < rows[y].size(); ++x) out[y][x] = rows[y][x];
  }
  return out;
}

TEST(ConnectedRegionsTest, NumbersRegionsByTheirFirstPixel) {
  const at::Tensor mask = Rows({{0, 1, 0, 0, 1},  //
                                {1, 0, 0, 0, 1},  // diagonal: one region
                                {0, 0, 0, 0, 0},
                                {1, 0, 1, 1, 0}});
  EXPECT_TRUE(at::equal(ConnectedRegions(mask == 1), Rows({{0, 1, 0, 0, 2},
                                                           {1, 0, 0, 0, 2},
                                                           {0, 0, 0, 0, 0},
                                                           {3, 0, 4, 4, 0}})));
}

// Union of pixels by repeated minimum over the 8 neighbours: another method.
at::Tensor ByRelaxation(const at::Tensor& mask) {
  const int64_t height = mask.size(0), width = mask.size(1);
  at::Tensor label =
      at::arange(1, height * width + 1, at::kLong).view({height, width}) * mask;
  for (bool changed = true; changed;) {
    changed = false;
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x) {
        for (int64_t v = y - 1; v <= y + 1; ++v) {
          for (int64_t u = x - 1; u <= x + 1; ++u) {
            if (v < 0 || u < 0 || v >= height || u >= width) continue;
            const int64_t a = label[y][x].item<int64_t>();
            const int64_t b = label[v][u].item<int64_t>();
            if (a > 0 && b > 0 && b < a) label[y][x] = b, changed = true;
          }
        }
      }
    }
  }
  return label;
}

TEST(ConnectedRegionsTest, AgreesWithRelaxationOnNoise) {
  at::manual_seed(1);
  for (const double share : {0.2, 0.4, 0.6}) {
    const at::Tensor mask = at::rand({13, 17}) < share;
    const at::Tensor ours = ConnectedRegions(mask.t()).t();
    const at::Tensor other = ByRelaxation(mask);
    // The same partition: equal in one exactly where equal in the other.
    const at::Tensor a = ours.reshape({-1, 1}), b = other.reshape({-1, 1});
    EXPECT_TRUE(at::equal(a == a.t(), b == b.t()));
    EXPECT_TRUE(at::equal(ours > 0, mask));
  }
}

TEST(ConnectedRegionsTest, EmptyFullAndOneRow) {
  EXPECT_EQ(ConnectedRegions(at::zeros({0, 5}, at::kBool)).numel(), 0);
  EXPECT_EQ(
      ConnectedRegions(at::ones({300, 300}, at::kBool)).sum().item<int64_t>(),
      300 * 300);
  EXPECT_TRUE(
      at::equal(ConnectedRegions(Rows({{1, 0, 1}}) == 1), Rows({{1, 0, 2}})));
}

TEST(ConnectedRegionsTest, RefusesOtherMasks) {
  EXPECT_THROW(ConnectedRegions(at::zeros({2, 2}, at::kLong)), c10::Error);
  EXPECT_THROW(ConnectedRegions(at::zeros({2, 2, 2}, at::kBool)), c10::Error);
}

TEST(SpecksTest, SmallRegionsWithoutTruth) {
  const at::Tensor prediction = Rows({{1, 0, 1, 0, 1, 1},  //
                                      {0, 0, 0, 0, 1, 1},
                                      {1, 1, 0, 0, 0, 0},
                                      {1, 0, 0, 1, 0, 1}});
  const at::Tensor target = Rows({{0, 0, 0, 0, 0, 0},
                                  {0, 0, 0, 0, 0, 0},
                                  {0, 1, 0, 0, 0, 0},
                                  {0, 0, 0, 0, 0, 255}});
  int64_t count = 0;
  // The four at the top right are too large, the three at the left touch the
  // truth, the last one is not labelled.
  const at::Tensor specks =
      Specks(prediction.to(at::kByte), target, 1, 4, 255, &count);
  EXPECT_EQ(count, 3);
  EXPECT_TRUE(at::equal(specks, Rows({{1, 0, 2, 0, 0, 0},
                                      {0, 0, 0, 0, 0, 0},
                                      {0, 0, 0, 0, 0, 0},
                                      {0, 0, 0, 3, 0, 0}})));
  Specks(prediction, target, 2, 4, 255, &count);
  EXPECT_EQ(count, 0);
  EXPECT_THROW(Specks(prediction, target.t(), 1, 4, 255), c10::Error);
}

}  // namespace
}  // namespace seg
