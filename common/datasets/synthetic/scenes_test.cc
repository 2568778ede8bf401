#include "common/datasets/synthetic/scenes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "common/datasets/synthetic/canvas.h"
#include "common/datasets/synthetic/hash_bytes.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::HasSubstr;

ScenesOptions Size(int64_t height, int64_t width, uint64_t seed = 1) {
  ScenesOptions options;
  options.height = height;
  options.width = width;
  options.seed = seed;
  return options;
}

TEST(CanvasTest, LineCoversItsWidth) {
  Canvas canvas(9, 12, 1);
  Paint paint;
  paint.base = {200, 100, 50};
  paint.grain = 0;
  // Rows 3 and 4 exactly: centre at y = 4, radius 1.
  canvas.Line({-5 * kUnit, 4 * kUnit}, {30 * kUnit, 4 * kUnit}, kUnit, paint,
              2);
  const at::Tensor mask = canvas.Mask();
  for (int64_t y = 0; y < 9; ++y) {
    const int expected = y == 3 || y == 4 ? 2 : 0;
    EXPECT_TRUE(mask[y].eq(expected).all().item<bool>()) << y;
  }
  EXPECT_EQ(canvas.Image()[0][3][5].item<int>(), 200);
  EXPECT_EQ(canvas.Image()[2][4][5].item<int>(), 50);
  EXPECT_EQ(canvas.Image()[0][6][5].item<int>(), 0);
}

TEST(CanvasTest, ShapesHaveTheirAreas) {
  Paint paint;
  const auto area = [](const Canvas& canvas) {
    return canvas.Mask().eq(1).sum().item<double>();
  };
  Canvas ellipse(100, 100, 1);
  ellipse.Ellipse({50 * kUnit, 50 * kUnit}, 30 * kUnit, 20 * kUnit, paint, 1);
  EXPECT_NEAR(area(ellipse), M_PI * 600, 10);
  Canvas square(100, 100, 1);
  square.Polygon({{20 * kUnit, 30 * kUnit},
                  {60 * kUnit, 30 * kUnit},
                  {60 * kUnit, 80 * kUnit},
                  {20 * kUnit, 80 * kUnit}},
                 paint, 1);
  EXPECT_EQ(area(square), 2000);
  Canvas reversed(100, 100, 1);
  reversed.Polygon({{20 * kUnit, 80 * kUnit},
                    {60 * kUnit, 80 * kUnit},
                    {60 * kUnit, 30 * kUnit},
                    {20 * kUnit, 30 * kUnit}},
                   paint, 1);
  EXPECT_EQ(area(reversed), 2000);
  Canvas line(100, 100, 1);
  line.Line({20 * kUnit, 20 * kUnit}, {60 * kUnit, 50 * kUnit}, 3 * kUnit,
            paint, 1);
  EXPECT_NEAR(area(line), 50 * 6 + M_PI * 9, 6);
}

TEST(CanvasTest, RingsHaveAHoleOfTheirProportions) {
  Paint paint;
  Canvas canvas(100, 100, 1);
  canvas.Ring({50 * kUnit, 50 * kUnit}, 40 * kUnit, 30 * kUnit, kUnit / 2,
              paint, 1);
  const at::Tensor mask = canvas.Mask();
  EXPECT_NEAR(mask.sum().item<double>(), M_PI * (1200 - 300), 12);
  // Along the middle row: from 10 to 30 and from 70 to 90.
  for (int64_t x : {10, 29, 70, 89}) EXPECT_EQ(mask[50][x].item<int>(), 1) << x;
  for (int64_t x : {9, 30, 50, 69, 90}) {
    EXPECT_EQ(mask[50][x].item<int>(), 0) << x;
  }
}

TEST(CanvasTest, HalvesHaveTwoColours) {
  Paint paint;
  paint.base = {200, 0, 0};
  paint.other = {0, 0, 200};
  paint.grain = 0;
  paint.pattern = Paint::Pattern::kHalves;
  paint.origin = {8 * kUnit, 8 * kUnit};
  paint.along = {kUnit, 0};  // to the right: what is below lies on its right
  Canvas canvas(16, 16, 1);
  canvas.Ellipse({8 * kUnit, 8 * kUnit}, 6 * kUnit, 6 * kUnit, paint, 1);
  const at::Tensor image = canvas.Image();
  EXPECT_EQ(image[0][7][8].item<int>(), 200);
  EXPECT_EQ(image[2][7][8].item<int>(), 0);
  EXPECT_EQ(image[0][8][8].item<int>(), 0);
  EXPECT_EQ(image[2][8][8].item<int>(), 200);
  EXPECT_EQ(canvas.Mask()[7][8].item<int>(), canvas.Mask()[8][8].item<int>());
}

TEST(CanvasTest, EdgesAreAntiAliasedAndShapesAreClipped) {
  Canvas canvas(20, 20, 1);
  Paint paint;
  paint.base = {255, 255, 255};
  paint.grain = 0;
  canvas.Ellipse({10 * kUnit, 10 * kUnit}, 6 * kUnit, 6 * kUnit, paint, 1);
  const at::Tensor red = canvas.Image()[0];
  EXPECT_GT(red.gt(0).logical_and(red.lt(255)).sum().item<int64_t>(), 8);
  // Outside or across the border: no write beyond it (asan watches).
  canvas.Ellipse({-900 * kUnit, 10 * kUnit}, 6 * kUnit, 6 * kUnit, paint, 1);
  canvas.Ellipse({0, 0}, 400 * kUnit, 400 * kUnit, paint, 3);
  canvas.Shadow({0, 0}, 400 * kUnit, 4 * kUnit, 50);
  EXPECT_TRUE(canvas.Mask().eq(3).all().item<bool>());
}

TEST(ScenesTest, GoldenHash) {
  // Integer arithmetic only: these bytes are the same on every machine. A
  // change of this number changes every result on synthetic data.
  EXPECT_EQ(
      HashSamples(8, [](int64_t i) { return MakeScene(Size(96, 128), i); }),
      8083273240997163504ULL);
}

TEST(ScenesTest, IsAFunctionOfSeedAndIndex) {
  const Sample a = MakeScene(Size(48, 64), 5);
  const Sample b = MakeScene(Size(48, 64), 5);
  EXPECT_TRUE(a.image.equal(b.image));
  EXPECT_TRUE(a.mask.equal(b.mask));
  EXPECT_FALSE(a.image.equal(MakeScene(Size(48, 64), 6).image));
  EXPECT_FALSE(a.image.equal(MakeScene(Size(48, 64, 2), 5).image));
  EXPECT_EQ(a.id, "scene5");
  EXPECT_EQ(a.path, "scenes:1:5");
}

TEST(ScenesTest, ClassesOccurInUsefulShares) {
  std::array<double, 256> share{};
  std::array<int, 4> pictures{};
  constexpr int kCount = 200;
  for (int64_t i = 0; i < kCount; ++i) {
    const at::Tensor mask = MakeScene(Size(96, 128), i).mask;
    std::array<bool, 256> seen{};
    const uint8_t* p = mask.data_ptr<uint8_t>();
    for (int64_t k = 0; k < mask.numel(); ++k) {
      share[p[k]] += 1.0 / static_cast<double>(mask.numel() * kCount);
      seen[p[k]] = true;
    }
    for (int c = 0; c < 4; ++c) pictures[c] += seen[c];
  }
  // What the generator's sizes give, with room for a change of taste.
  EXPECT_GT(share[0], 0.75);
  EXPECT_LT(share[0], 0.92);
  for (int c = 1; c < 4; ++c) {
    EXPECT_GT(share[c], 0.015) << c;
    EXPECT_GT(pictures[c], kCount * 4 / 10) << c;
  }
  for (int c = 4; c < 256; ++c) EXPECT_EQ(share[c], 0.0) << c;
}

TEST(ScenesTest, ObjectsHaveThinParts) {
  // At least a fifth of the object pixels goes when objects lose a rim of two
  // pixels and get it back (an opening by 5x5): legs, poles, strings.
  double all = 0;
  double kept = 0;
  for (int64_t i = 0; i < 40; ++i) {
    const at::Tensor object = MakeScene(Size(96, 128), i)
                                  .mask.ne(0)
                                  .to(at::kFloat)
                                  .unsqueeze(0)
                                  .unsqueeze(0);
    const at::Tensor eroded = 1 - at::max_pool2d(1 - object, 5, 1, 2);
    const at::Tensor opened = at::max_pool2d(eroded, 5, 1, 2);
    all += object.sum().item<double>();
    kept += opened.sum().item<double>();
  }
  EXPECT_LT(kept, 0.8 * all);
  EXPECT_GT(kept, 0.4 * all);
}

TEST(ScenesTest, ObjectsAreCoherentInColourAndHaveEdges) {
  // What colour-aware models rely on: neighbours with equal labels look more
  // alike than neighbours across a border, by a wide margin.
  double within = 0, across = 0;
  int64_t within_count = 0, across_count = 0;
  for (int64_t i = 0; i < 20; ++i) {
    const Sample sample = MakeScene(Size(96, 128), i);
    const at::Tensor image = sample.image.to(at::kFloat);
    // Two columns apart, as the border itself is anti-aliased.
    const at::Tensor distance =
        (image.slice(2, 2) - image.slice(2, 0, -2)).abs().sum(0);
    const at::Tensor a = sample.mask.slice(1, 2);
    const at::Tensor b = sample.mask.slice(1, 0, -2);
    const at::Tensor same = a.eq(b).logical_and(a.ne(0));
    const at::Tensor border = a.ne(b);
    within += distance.masked_select(same).sum().item<double>();
    within_count += same.sum().item<int64_t>();
    across += distance.masked_select(border).sum().item<double>();
    across_count += border.sum().item<int64_t>();
  }
  EXPECT_GT(across / static_cast<double>(across_count),
            3.0 * within / static_cast<double>(within_count));
}

// A mean-field step with a Gaussian of position and colour in an 11x11 window,
// written with tensor operators: the simplest colour-aware refinement.
at::Tensor RefineByColour(const at::Tensor& unary, const at::Tensor& image) {
  const int64_t classes = unary.size(0);
  const int64_t h = unary.size(1);
  const int64_t w = unary.size(2);
  constexpr int64_t kWindow = 11;
  const auto windows = [&](const at::Tensor& x) {  // [C,121,H,W]
    return at::im2col(x.unsqueeze(0), {kWindow, kWindow}, {1, 1},
                      {kWindow / 2, kWindow / 2}, {1, 1})
        .view({x.size(0), kWindow * kWindow, h, w});
  };
  const at::Tensor around =
      at::arange(kWindow, at::kFloat).sub(kWindow / 2).square().div(2 * 16.0);
  at::Tensor kernel =
      (windows(image) - image.unsqueeze(1)).square().sum(0).div(2 * 400.0) +
      around.view({-1, 1}).add(around).view({-1, 1, 1});
  kernel = kernel.neg().exp();
  kernel = kernel / kernel.sum(0, /*keepdim=*/true);
  at::Tensor q = unary;
  for (int step = 0; step < 5; ++step) {
    const at::Tensor message = windows(q).mul(kernel).sum(1);
    q = at::softmax(unary.add(1e-3).log() + 6 * message, 0);
  }
  return q.view({classes, h, w});
}

TEST(ScenesTest, ColourRestoresWhatACoarseNetworkBlurs) {
  // The truth averaged over 8x8 cells and enlarged again stands for a coarse
  // network at its best. Colour must win back more than a point of mean IoU.
  at::set_num_threads(1);  // small tensors: a team costs more than it saves
  at::Tensor coarse = at::zeros({4, 4}, at::kLong);
  at::Tensor refined = at::zeros({4, 4}, at::kLong);
  const auto count = [](const at::Tensor& truth, const at::Tensor& scores) {
    return at::bincount((truth * 4 + scores.argmax(0)).view({-1}), {}, 16)
        .view({4, 4});
  };
  for (int64_t i = 0; i < 4; ++i) {
    const Sample sample = MakeScene(Size(96, 128), i);
    const at::Tensor truth = sample.mask.to(at::kLong);
    const at::Tensor one_hot =
        at::one_hot(truth, 4).permute({2, 0, 1}).to(at::kFloat);
    const at::Tensor unary =
        at::upsample_bilinear2d(at::avg_pool2d(one_hot.unsqueeze(0), {8, 8}),
                                {96, 128}, false)
            .squeeze(0);
    coarse += count(truth, unary);
    refined += count(truth, RefineByColour(unary, sample.image.to(at::kFloat)));
  }
  const auto mean_iou = [](const at::Tensor& counts) {
    const at::Tensor c = counts.to(at::kDouble);
    return (c.diag() / (c.sum(0) + c.sum(1) - c.diag())).mean().item<double>();
  };
  EXPECT_LT(mean_iou(coarse), 0.8);
  EXPECT_GT(mean_iou(refined), mean_iou(coarse) + 0.05);
}

TEST(ScenesTest, AnySizeWorks) {
  for (const auto& [h, w] : std::vector<std::pair<int64_t, int64_t>>{
           {16, 16}, {17, 200}, {321, 64}}) {
    const Sample sample = MakeScene(Size(h, w), 3);
    EXPECT_EQ(sample.image.sizes(), at::IntArrayRef({3, h, w}));
    EXPECT_EQ(sample.mask.sizes(), at::IntArrayRef({h, w}));
    EXPECT_LT(sample.mask.max().item<int>(), 4);
  }
}

TEST(ScenesDatasetTest, IsAWindowOfScenes) {
  const auto set = MakeScenesDataset(Size(32, 32), 10, 3);
  EXPECT_EQ(set->size(), 3);
  EXPECT_EQ(set->id(2), "scene12");
  EXPECT_EQ(set->info().num_classes(), 4);
  EXPECT_EQ(set->info().palette.size(), 4u);
  ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(2));
  EXPECT_TRUE(sample.image.equal(MakeScene(Size(32, 32), 12).image));
  EXPECT_THAT(set->Get(3), StatusIs(absl::StatusCode::kOutOfRange,
                                    HasSubstr("there are 3")));
}

}  // namespace
}  // namespace seg
