#include "common/metrics/boundary_iou.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include "common/metrics/boundary_band.h"
#include "common/metrics/distance_transform.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::IsNan;

at::Tensor BruteForceDistance(const at::Tensor& sources) {
  const int64_t height = sources.size(0), width = sources.size(1);
  const at::Tensor in = sources.contiguous();
  const auto source = in.accessor<bool, 2>();
  at::Tensor out = at::full({height, width}, kNoSource, at::kLong);
  auto to = out.accessor<int64_t, 2>();
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t v = 0; v < height; ++v)
        for (int64_t u = 0; u < width; ++u) {
          if (!source[v][u]) continue;
          to[y][x] = std::min(to[y][x], (y - v) * (y - v) + (x - u) * (x - u));
        }
  return out;
}

// Left half 0, right half 1.
at::Tensor Halves(int64_t height, int64_t width) {
  at::Tensor target = at::zeros({height, width}, at::kLong);
  target.slice(1, width / 2).fill_(1);
  return target;
}

TEST(DistanceTransformTest, HandWorked) {
  at::Tensor sources = at::zeros({2, 4}, at::kBool);
  sources[0][1].fill_(true);
  EXPECT_TRUE(
      at::equal(SquaredDistanceTransform(sources),
                at::tensor({1, 0, 1, 4, 2, 1, 2, 5}, at::kLong).view({2, 4})));
}

TEST(DistanceTransformTest, MatchesBruteForce) {
  at::manual_seed(1);
  for (double density : {0.01, 0.1, 0.5}) {
    for (auto sizes : std::vector<std::vector<int64_t>>{
             {1, 1}, {1, 17}, {17, 1}, {9, 23}, {20, 20}}) {
      const at::Tensor sources = at::rand(sizes) < density;
      EXPECT_TRUE(at::equal(SquaredDistanceTransform(sources),
                            BruteForceDistance(sources)))
          << sources;
      EXPECT_TRUE(at::equal(SquaredDistanceTransform(sources.t()),
                            BruteForceDistance(sources.t())));
    }
  }
}

TEST(DistanceTransformTest, NoSourceAndEmpty) {
  EXPECT_EQ(SquaredDistanceTransform(at::zeros({3, 4}, at::kBool))
                .min()
                .item<int64_t>(),
            kNoSource);
  EXPECT_EQ(SquaredDistanceTransform(at::zeros({0, 4}, at::kBool)).numel(), 0);
}

TEST(TrimapIouTest, BandsOfAStraightBoundary) {
  TrimapOptions options;
  options.radii = {1, 2, 2.9, 100};
  TrimapIou trimap(2, options);
  const at::Tensor target = Halves(10, 12);
  // Wrong two pixels away from the boundary, on the left.
  at::Tensor prediction = target.clone();
  prediction.select(1, 4).fill_(1);
  trimap.Add(prediction, target);
  EXPECT_EQ(trimap.confusion(0).total(), 2 * 10);
  EXPECT_DOUBLE_EQ(trimap.confusion(0).PixelAccuracy(), 1.0);
  EXPECT_EQ(trimap.confusion(1).total(), 4 * 10);
  EXPECT_DOUBLE_EQ(trimap.confusion(1).PixelAccuracy(), 0.75);
  EXPECT_EQ(trimap.confusion(2).total(), 4 * 10);  // no distance in (2, 2.9]
  EXPECT_EQ(trimap.confusion(3).total(), 120);
}

TEST(TrimapIouTest, DistanceIsToTheNearestOtherLabel) {
  at::manual_seed(3);
  const at::Tensor target = at::randint(0, 3, {3, 4}, at::kLong)
                                .repeat_interleave(5, 0)
                                .repeat_interleave(5, 1);
  const at::Tensor distance = SquaredDistanceToBoundary(target, 255);
  for (int64_t label = 0; label < 3; ++label) {
    const at::Tensor inside = target == label;
    EXPECT_TRUE(at::equal(distance.masked_select(inside),
                          BruteForceDistance(~inside).masked_select(inside)));
  }
}

// A picture of rectangles, noise and ignored pixels.
at::Tensor RandomLabels(int64_t height, int64_t width, double noise) {
  at::Tensor labels =
      at::randint(0, 3, {(height + 6) / 7, (width + 4) / 5}, at::kLong)
          .repeat_interleave(7, 0)
          .repeat_interleave(5, 1)
          .slice(0, 0, height)
          .slice(1, 0, width);
  const at::Tensor random = at::rand({height, width});
  labels = at::where(random < noise, at::randint_like(labels, 0, 3), labels);
  return labels.masked_fill(random > 1 - noise, 255).contiguous();
}

TEST(BoundaryBandTest, EqualsTheDistanceTransforms) {
  at::manual_seed(6);
  for (const auto& [height, width] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 1}, {1, 30}, {30, 1}, {23, 41}, {40, 40}}) {
    for (const double noise : {0.0, 0.02, 0.5}) {
      const at::Tensor target = RandomLabels(height, width, noise);
      const at::Tensor distance = SquaredDistanceToBoundary(target, 255);
      for (const double radius : {0.5, 1.0, 2.0, 2.9, 5.0, 16.0, 1e9}) {
        const at::Tensor near =
            (distance <= static_cast<int64_t>(std::floor(radius * radius)))
                .logical_and(distance != kNoSource)
                .flatten();
        for (const at::Tensor& labels : {target, target.to(at::kByte)}) {
          const BoundaryBand band = FindBoundaryBand(labels, radius, 255);
          EXPECT_TRUE(at::equal(at::tensor(band.pixels, at::kLong),
                                near.nonzero().flatten()))
              << height << "x" << width << " radius " << radius;
          EXPECT_TRUE(at::equal(at::tensor(band.squared_distances, at::kLong),
                                distance.flatten().masked_select(near)));
        }
      }
    }
  }
}

TEST(BoundaryBandTest, EmptyAndRefused) {
  EXPECT_TRUE(
      FindBoundaryBand(at::zeros({0, 4}, at::kByte), 2, 255).pixels.empty());
  EXPECT_THROW(FindBoundaryBand(at::zeros({2, 2}, at::kByte), 0, 255),
               c10::Error);
  EXPECT_THROW(FindBoundaryBand(at::zeros({2, 2}), 1, 255), c10::Error);
  EXPECT_THROW(FindBoundaryBand(at::zeros({4, 2}, at::kByte).t(), 1, 255),
               c10::Error);
}

TEST(TrimapIouTest, EveryIntegerTypeGivesTheSameCounts) {
  at::manual_seed(7);
  const at::Tensor target = RandomLabels(20, 30, 0.1);
  const at::Tensor prediction = at::randint(0, 3, {20, 30}, at::kLong);
  TrimapIou wide(3), narrow(3), mixed(3);
  wide.Add(prediction, target);
  narrow.Add(prediction.to(at::kByte), target.to(at::kByte));
  mixed.Add(prediction.to(at::kInt), target.to(at::kByte));
  for (size_t i = 0; i < wide.radii().size(); ++i) {
    EXPECT_GT(wide.confusion(i).total(), 0);
    for (const TrimapIou* other : {&narrow, &mixed}) {
      EXPECT_TRUE(
          at::equal(wide.confusion(i).counts(), other->confusion(i).counts()));
    }
  }
}

TEST(TrimapIouTest, IgnoredRegionIsABoundary) {
  // 0 0 0 255 1 1 1
  at::Tensor target = at::zeros({1, 7}, at::kLong);
  target.select(1, 3).fill_(255);
  target.slice(1, 4).fill_(1);
  TrimapOptions options;
  options.radii = {1, 2};
  TrimapIou trimap(2, options);
  trimap.Add(at::zeros({1, 7}, at::kLong), target);
  EXPECT_EQ(trimap.confusion(0).total(), 2);
  EXPECT_EQ(trimap.confusion(1).total(), 4);
}

TEST(TrimapIouTest, OneLabelHasNoBand) {
  TrimapIou trimap(2);
  trimap.Add(at::ones({4, 4}, at::kByte), at::zeros({4, 4}, at::kByte));
  EXPECT_EQ(trimap.confusion(0).total(), 0);
  EXPECT_THAT(trimap.confusion(0).MeanIou(), IsNan());
}

TEST(TrimapIouTest, BatchAndMergeEqualSingleImages) {
  at::manual_seed(4);
  const at::Tensor target = at::randint(0, 2, {3, 6, 7}, at::kLong);
  const at::Tensor prediction = at::randint(0, 2, {3, 6, 7}, at::kLong);
  TrimapIou batch(2), merged(2);
  batch.Add(prediction, target);
  for (int64_t n = 0; n < 3; ++n) {
    TrimapIou one(2);
    one.Add(prediction[n], target[n]);
    merged.Merge(one);
  }
  for (size_t i = 0; i < batch.radii().size(); ++i) {
    EXPECT_TRUE(
        at::equal(batch.confusion(i).counts(), merged.confusion(i).counts()));
  }
}

TEST(InnerBoundaryTest, EqualsRepeatedErosion) {
  at::manual_seed(5);
  const at::Tensor mask =
      (at::rand({5, 6}) < 0.8).repeat_interleave(4, 0).repeat_interleave(4, 1);
  for (int64_t d = 0; d <= 4; ++d) {
    // Erosion by 3 x 3 = minimum = -maximum of the negative, zero outside.
    at::Tensor eroded = mask.to(at::kFloat).unsqueeze(0).unsqueeze(0);
    for (int64_t i = 0; i < d; ++i) {
      eroded =
          -at::max_pool2d(at::constant_pad_nd(-eroded, {1, 1, 1, 1}, 0.0),
                          at::IntArrayRef({3, 3}), at::IntArrayRef({1, 1}));
    }
    const at::Tensor expected = mask & (eroded[0][0] == 0.0);
    EXPECT_TRUE(at::equal(InnerBoundary(mask, d), expected)) << d;
    EXPECT_TRUE(at::equal(InnerBoundary(mask.t(), d), expected.t()));
  }
}

TEST(BoundaryIouTest, HandWorked) {
  // 12 x 12, d = 1: a 6 x 6 square has 20 boundary pixels; moved by one to the
  // right, the common ones are two rows of 5.
  at::Tensor target = at::zeros({12, 12}, at::kLong);
  target.slice(0, 3, 9).slice(1, 3, 9).fill_(1);
  at::Tensor prediction = at::zeros({12, 12}, at::kLong);
  prediction.slice(0, 3, 9).slice(1, 4, 10).fill_(1);
  BoundaryIou boundary(3, 0.02);
  boundary.Add(prediction, target);
  EXPECT_THAT(boundary.Iou()[1], DoubleEq(10.0 / 30.0));
  EXPECT_THAT(boundary.Iou()[2], IsNan());
  BoundaryIou perfect(3);
  perfect.Add(target, target);
  EXPECT_DOUBLE_EQ(perfect.MeanIou(), 1.0);
}

TEST(BoundaryIouTest, IgnoredPixelsDoNotCountAndMergeAdds) {
  at::Tensor target = Halves(8, 8);
  target.slice(0, 4).fill_(255);
  at::Tensor prediction = Halves(8, 8);
  BoundaryIou boundary(2);
  boundary.Add(prediction, target);
  BoundaryIou changed(2);
  changed.Add(at::where(target == 255, prediction, prediction), target);
  boundary.Merge(changed);
  EXPECT_EQ(boundary.Iou(), changed.Iou());
}

TEST(BoundaryIouTest, Errors) {
  const at::Tensor labels = at::zeros({4, 4}, at::kLong);
  ExpectError([&] { TrimapIou(2).Add(labels, labels.slice(0, 1)); },
              "prediction must have the sizes of target [3, 4], got [4, 4]");
  ExpectError([&] { TrimapIou(2).Add(labels[0], labels[0]); },
              "labels must be [H, W] or [N, H, W], got sizes [4]");
  ExpectError([&] { BoundaryIou(2).Add(labels, labels + 5); },
              "target has label 5");
  ExpectError([&] { BoundaryIou(2).Add(labels.to(at::kFloat), labels); },
              "got Float");
  ExpectError(
      [&] {
        TrimapOptions options;
        options.radii = {0.0};
        TrimapIou(2, options);
      },
      "radii must be positive, got 0");
  ExpectError([&] { BoundaryIou(2, -1.0); }, "ratio must be positive, got -1");
  ExpectError([&] { SquaredDistanceTransform(labels); },
              "sources must be bool [H, W], got Long [4, 4]");
}

}  // namespace
}  // namespace seg
