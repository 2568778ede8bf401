#include "segnet_rerank/o2p/second_order_pooling.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/config/config.h"
#include "common/testing/status_matchers.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace segnet_rerank {
namespace {

// Superpixels are blocks of `side` pixels; a superpixel is in a region with a
// probability of 0.4.
Regions BlockRegions(int64_t height, int64_t width, int64_t side,
                     int64_t number) {
  at::manual_seed(2);
  const int64_t across = (width + side - 1) / side;
  const at::Tensor rows = at::floor_divide(at::arange(height), side);
  const at::Tensor columns = at::floor_divide(at::arange(width), side);
  Regions regions;
  regions.superpixels = (rows.view({-1, 1}) * across + columns).to(at::kInt);
  const int64_t count = (height + side - 1) / side * across;
  regions.members = (at::rand({number, count}) < 0.4).to(at::kByte);
  regions.score = at::zeros({number});
  return regions;
}

Descriptors RandomDescriptors(int64_t number, int64_t local, int64_t height,
                              int64_t width) {
  at::manual_seed(5);
  Descriptors descriptors;
  descriptors.centres = at::stack({at::randint(0, width, {number}, at::kInt),
                                   at::randint(0, height, {number}, at::kInt)},
                                  1);
  descriptors.values =
      at::cat({at::randn({number, local}), descriptors.centres.to(at::kFloat),
               at::randint(1, 9, {number, 1}, at::kFloat)},
              1);
  return descriptors;
}

// The definition: descriptor by descriptor, with the region's own positions.
RegionMoments Direct(const Descriptors& descriptors, const Regions& regions,
                     Area area) {
  const int64_t number = regions.members.size(0);
  const int64_t height = regions.superpixels.size(0);
  const int64_t width = regions.superpixels.size(1);
  const int64_t columns = descriptors.values.size(1), size = columns + 3;
  const auto superpixel = regions.superpixels.accessor<int32_t, 2>();
  const auto member = regions.members.accessor<uint8_t, 2>();
  const auto centre = descriptors.centres.accessor<int32_t, 2>();
  const auto value = descriptors.values.accessor<float, 2>();
  RegionMoments result;
  result.second = at::zeros({number, size, size}, at::kDouble);
  result.first = at::zeros({number, size}, at::kDouble);
  result.count = at::zeros({number}, at::kDouble);
  auto second = result.second.accessor<double, 3>();
  auto first = result.first.accessor<double, 2>();
  auto count = result.count.accessor<double, 1>();
  for (int64_t r = 0; r < number; ++r) {
    double x0 = 0, y0 = 0, w = static_cast<double>(width),
           h = static_cast<double>(height);
    if (area == Area::kFigure) {
      int64_t left = width, top = height, right = -1, bottom = -1;
      for (int64_t y = 0; y < height; ++y) {
        for (int64_t x = 0; x < width; ++x) {
          if (!member[r][superpixel[y][x]]) continue;
          left = std::min(left, x), right = std::max(right, x);
          top = std::min(top, y), bottom = std::max(bottom, y);
        }
      }
      x0 = static_cast<double>(left), y0 = static_cast<double>(top);
      w = static_cast<double>(right - left + 1);
      h = static_cast<double>(bottom - top + 1);
    }
    for (int64_t i = 0; i < descriptors.values.size(0); ++i) {
      const bool inside = member[r][superpixel[centre[i][1]][centre[i][0]]];
      if (inside != (area == Area::kFigure)) continue;
      std::vector<double> x;
      for (int64_t k = 0; k < columns - 3; ++k) x.push_back(value[i][k]);
      const double u = value[i][columns - 3], v = value[i][columns - 2],
                   s = value[i][columns - 1];
      for (const double position : {(u - x0) / w, (v - y0) / h, (u - x0) / h,
                                    (v - y0) / w, 8 * s / h, 8 * s / w}) {
        x.push_back(position);
      }
      count[r] += 1;
      for (int64_t a = 0; a < size; ++a) {
        first[r][a] += x[a];
        for (int64_t b = 0; b < size; ++b) second[r][a][b] += x[a] * x[b];
      }
    }
    for (int64_t a = 0; a < size && count[r] > 0; ++a) {
      first[r][a] /= count[r];
      for (int64_t b = 0; b < size; ++b) second[r][a][b] /= count[r];
    }
  }
  return result;
}

void ExpectNear(const at::Tensor& a, const at::Tensor& b, double tolerance) {
  ASSERT_EQ(a.sizes(), b.sizes());
  if (a.numel() == 0) return;
  EXPECT_LE((a - b).abs().max().item<double>(), tolerance);
}

TEST(MomentsOfRegionsTest, HandCase) {
  // Two superpixels, left and right half of 2 x 4 pixels; one value and the
  // position of each descriptor.
  Regions regions;
  regions.superpixels =
      at::tensor({0, 0, 1, 1, 0, 0, 1, 1}, at::kInt).view({2, 4});
  regions.members = at::tensor({0, 1}, at::kByte).view({1, 2});
  Descriptors descriptors;
  descriptors.centres = at::tensor({0, 0, 2, 0, 3, 1}, at::kInt).view({3, 2});
  descriptors.values =
      at::tensor({5.f, 0.f, 0.f, 1.f, 1.f, 2.f, 0.f, 1.f, 3.f, 3.f, 1.f, 1.f})
          .view({3, 4});
  const SuperpixelMoments moments =
      PoolSuperpixels(descriptors, regions.superpixels);
  ASSERT_EQ(moments.values, 4);
  ASSERT_EQ(moments.packed.sizes(), at::IntArrayRef({2, 15}));
  EXPECT_EQ(moments.packed[0][14].item<double>(), 1);
  EXPECT_EQ(moments.packed[1][14].item<double>(), 2);
  EXPECT_EQ(moments.packed[1][0].item<double>(), 1 + 9);
  // The box of the right half is x0 2, y0 0, w 2, h 2, so x is
  // (1, 0, 0, 0, 0, 4, 4) and (3, 1/2, 1/2, 1/2, 1/2, 4, 4).
  const RegionMoments found = MomentsOfRegions(moments, regions, Area::kFigure);
  EXPECT_EQ(Values(found.count), (std::vector<double>{2}));
  ExpectNear(found.first,
             at::tensor({2., .25, .25, .25, .25, 4., 4.}).view({1, 7}), 1e-15);
  EXPECT_NEAR(found.second[0][0][0].item<double>(), 5, 1e-15);
  EXPECT_NEAR(found.second[0][0][1].item<double>(), 0.75, 1e-15);
  EXPECT_NEAR(found.second[0][1][0].item<double>(), 0.75, 1e-15);
  EXPECT_NEAR(found.second[0][2][3].item<double>(), 0.125, 1e-15);
  EXPECT_NEAR(found.second[0][5][6].item<double>(), 16, 1e-15);
}

TEST(MomentsOfRegionsTest, MatchesTheDefinition) {
  const struct {
    int64_t height, width, side, number, local;
  } kCases[] = {{20, 31, 6, 300, 5}, {375, 500, 60, 200, 3}, {3, 4, 1, 9, 2}};
  for (const auto& c : kCases) {
    Regions regions = BlockRegions(c.height, c.width, c.side, 8);
    regions.members[0].fill_(1);  // no ground
    regions.members[1].fill_(0);  // no figure
    const Descriptors descriptors =
        RandomDescriptors(c.number, c.local, c.height, c.width);
    const SuperpixelMoments moments =
        PoolSuperpixels(descriptors, regions.superpixels);
    for (const Area area : {Area::kFigure, Area::kGround}) {
      const RegionMoments found = MomentsOfRegions(moments, regions, area);
      const RegionMoments expected = Direct(descriptors, regions, area);
      EXPECT_TRUE(at::equal(found.count, expected.count));
      // Squares of coordinates up to 500 lose six digits of float64.
      ExpectNear(found.second, expected.second, 1e-8);
      ExpectNear(found.first, expected.first, 1e-8);
    }
  }
}

TEST(MomentsOfRegionsTest, OfAnImagesDescriptors) {
  at::manual_seed(1);
  const at::Tensor image = at::randint(0, 256, {3, 40, 52}, at::kByte);
  const Regions regions = BlockRegions(40, 52, 7, 6);
  DescriptorConfig config;
  for (const DescriptorType type :
       {DescriptorType::kGradients, DescriptorType::kLbp}) {
    config.type = type;
    const Descriptors descriptors = ComputeDescriptors(image, config);
    const SuperpixelMoments moments =
        PoolSuperpixels(descriptors, regions.superpixels);
    for (const Area area : {Area::kFigure, Area::kGround}) {
      ExpectNear(MomentsOfRegions(moments, regions, area).second,
                 Direct(descriptors, regions, area).second, 1e-8);
    }
  }
}

TEST(MomentsOfRegionsTest, BoundingBoxes) {
  Regions regions = BlockRegions(10, 9, 4, 4);              // 3 x 3 superpixels
  regions.members = at::tensor({1, 0, 0, 0, 0, 0, 0, 0, 0,  // first
                                0, 1, 0, 1, 0, 0, 0, 0, 0,  // two apart
                                0, 0, 0, 0, 0, 0, 0, 0, 1,  // last, cut off
                                0, 0, 0, 0, 0, 0, 0, 0, 0},
                               at::kByte)
                        .view({4, 9});
  EXPECT_EQ(
      Values(BoundingBoxes(regions)),
      (std::vector<double>{0, 0, 4, 4, 0, 0, 8, 8, 8, 8, 1, 2, 0, 0, 1, 1}));
}

TEST(MomentsOfRegionsTest, Empty) {
  const Descriptors none = RandomDescriptors(0, 2, 6, 6);
  Regions regions = BlockRegions(6, 6, 3, 2);
  SuperpixelMoments moments = PoolSuperpixels(none, regions.superpixels);
  for (const Area area : {Area::kFigure, Area::kGround}) {
    EXPECT_EQ(PoolRegions(moments, regions, area).sizes(),
              at::IntArrayRef({2, 36}));
    EXPECT_EQ(PoolRegions(moments, regions, area).abs().max().item<float>(), 0);
  }
  regions.members = at::zeros({0, 4}, at::kByte);
  moments =
      PoolSuperpixels(RandomDescriptors(30, 2, 6, 6), regions.superpixels);
  for (const Pooling pooling :
       {Pooling::kLogEuclidean, Pooling::kSecondOrder}) {
    PoolingConfig config;
    config.pooling = pooling;
    for (const Area area : {Area::kFigure, Area::kGround}) {
      EXPECT_EQ(PoolRegions(moments, regions, area, config).sizes(),
                at::IntArrayRef({0, 36}));
    }
  }
  // An image without pixels.
  regions.superpixels = at::zeros({0, 3}, at::kInt);
  regions.members = at::zeros({2, 0}, at::kByte);
  moments = PoolSuperpixels(none, regions.superpixels);
  for (const Area area : {Area::kFigure, Area::kGround}) {
    EXPECT_EQ(PoolRegions(moments, regions, area).abs().max().item<float>(), 0);
  }
}

TEST(SymmetricLogTest, HandCases) {
  const at::Tensor diagonal =
      at::diag(at::tensor({0.0, 1.0, std::exp(2.0) - 0.5}, at::kDouble));
  const at::Tensor expected =
      at::diag(at::tensor({std::log(0.5), std::log(1.5), 2.0}, at::kDouble));
  ExpectNear(SymmetricLog(diagonal.unsqueeze(0), 0.5)[0], expected, 1e-12);
  // What rounding leaves below zero counts as zero.
  const at::Tensor below = at::full({1, 1, 1}, -1e-9, at::kDouble);
  EXPECT_NEAR(SymmetricLog(below, 1e-3).item<double>(), std::log(1e-3), 1e-12);
}

TEST(SymmetricLogTest, ExponentialGivesTheMatrixBack) {
  for (const int64_t size : {1, 2, 17, 40}) {
    // Of rank 10 at most, as the moments of few descriptors are.
    const at::Tensor x = Random({3, 10, size});
    const at::Tensor g = x.transpose(1, 2).bmm(x) / 10;
    const at::Tensor log = SymmetricLog(g, 1e-3);
    const at::Tensor expected = g + 1e-3 * at::eye(size, at::kDouble);
    ExpectNear(at::linalg_matrix_exp(log), expected, 1e-9);
    ExpectNear(log, log.transpose(1, 2), 1e-12);
    // In float an eigenvalue is off by some 1e-7 of the largest, about 10; of
    // 1e-3 that is 1e-3, and so of its logarithm.
    ExpectNear(SymmetricLog(g.to(at::kFloat), 1e-3).to(at::kDouble), log, 1e-2);
    // Each matrix by itself.
    for (int64_t r = 0; r < 3; ++r) {
      ExpectNear(SymmetricLog(g.slice(0, r, r + 1), 1e-3)[0], log[r], 1e-10);
    }
  }
  EXPECT_EQ(SymmetricLog(at::zeros({0, 4, 4}), 1e-3).sizes(),
            at::IntArrayRef({0, 4, 4}));
}

TEST(PoolRegionsTest, Poolings) {
  Regions regions = BlockRegions(20, 24, 5, 5);
  regions.members[3].fill_(0);
  const SuperpixelMoments moments =
      PoolSuperpixels(RandomDescriptors(200, 3, 20, 24), regions.superpixels);
  const RegionMoments expected =
      MomentsOfRegions(moments, regions, Area::kFigure);
  PoolingConfig config;
  config.pooling = Pooling::kFirstOrder;
  const at::Tensor first = PoolRegions(moments, regions, Area::kFigure, config);
  EXPECT_EQ(first.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(first, expected.first.to(at::kFloat)));

  const auto triangles = [](const at::Tensor& matrices) {
    std::vector<at::Tensor> rows;
    for (int64_t a = 0; a < 9; ++a) {
      for (int64_t b = a; b < 9; ++b) {
        rows.push_back(matrices.select(1, a).select(1, b));
      }
    }
    return at::stack(rows, 1);
  };
  config.pooling = Pooling::kSecondOrder;
  EXPECT_TRUE(at::equal(PoolRegions(moments, regions, Area::kFigure, config),
                        triangles(expected.second).to(at::kFloat)));
  config.pooling = Pooling::kLogEuclidean;
  at::Tensor logs = SymmetricLog(expected.second, 1e-3);
  logs[3].fill_(0);  // nothing inside: not log(1e-3) on the diagonal
  EXPECT_TRUE(at::equal(PoolRegions(moments, regions, Area::kFigure, config),
                        triangles(logs).to(at::kFloat)));
}

TEST(NormaliseTypesTest, HandCases) {
  const at::Tensor x = at::tensor({3.f, -4.f, 0.f, 0.f}).view({2, 2});
  ExpectNear(NormaliseTypes({x}, 1.0)[0],
             at::tensor({.6f, -.8f, 0.f, 0.f}).view({2, 2}), 1e-6);
  ExpectNear(
      NormaliseTypes({x}, 0.5)[0],
      at::tensor({std::sqrt(.6f), -std::sqrt(.8f), 0.f, 0.f}).view({2, 2}),
      1e-6);
  // Two types share the norm.
  const at::Tensor y = at::tensor({-2.f, 5.f}).view({2, 1});
  const std::vector<at::Tensor> both = NormaliseTypes({x, y}, 0.75);
  ASSERT_EQ(both.size(), 2u);
  const double half = std::sqrt(0.5);
  EXPECT_NEAR(both[0][0][1].item<double>(), -std::pow(0.8 * half, 0.75), 1e-6);
  EXPECT_NEAR(both[1][0][0].item<double>(), -std::pow(half, 0.75), 1e-6);
  EXPECT_NEAR(both[1][1][0].item<double>(), std::pow(half, 0.75), 1e-6);
  EXPECT_EQ(NormaliseTypes({at::zeros({0, 7})}, 0.75)[0].sizes(),
            at::IntArrayRef({0, 7}));
}

TEST(SecondOrderPoolingTest, Errors) {
  Regions regions = BlockRegions(6, 6, 3, 2);
  Descriptors descriptors = RandomDescriptors(5, 2, 6, 6);
  const SuperpixelMoments moments =
      PoolSuperpixels(descriptors, regions.superpixels);
  ExpectError(
      [&] { PoolSuperpixels(descriptors, regions.superpixels.to(at::kLong)); },
      "superpixels must be int32 [H,W] on the CPU, got Long [6, 6]");
  ExpectError([&] { PoolSuperpixels(descriptors, regions.superpixels - 1); },
              "superpixels must be >= 0");
  ExpectError(
      [&] {
        PoolSuperpixels(RandomDescriptors(5, 0, 6, 6), regions.superpixels);
      },
      "values must be float32 [N,D] on the CPU, D > 3, got Float [5, 3]");
  ExpectError(
      [&] { PoolSuperpixels(descriptors, regions.superpixels.slice(0, 0, 1)); },
      "lies outside of the 6 x 1 superpixels");
  descriptors.centres = descriptors.centres.slice(0, 1);
  ExpectError([&] { PoolSuperpixels(descriptors, regions.superpixels); },
              "centres must be int32 [5,2] on the CPU, got Int [4, 2]");
  regions.members = at::zeros({2, 3}, at::kByte);
  ExpectError([&] { MomentsOfRegions(moments, regions, Area::kFigure); },
              "members must be uint8 [R,4] on the CPU, got Byte [2, 3]");
  ExpectError([&] { BoundingBoxes(regions); }, "members must be uint8 [R,4]");
  regions = BlockRegions(6, 6, 2, 2);
  ExpectError([&] { MomentsOfRegions(moments, regions, Area::kGround); },
              "moments are of 4 superpixels, regions of 9");
  ExpectError(
      [] {
        SymmetricLog(at::zeros({1, 2, 3}), 1e-3);
      },
      "g must be float32 or float64 [R,F,F] on the CPU, got Float "
      "[1, 2, 3]");
  ExpectError(
      [] {
        SymmetricLog(at::zeros({1, 2, 2}), 0.0);
      },
      "regulariser must be finite and > 0, got 0");
  ExpectError(
      [] {
        NormaliseTypes({at::zeros({2, 2})}, 0.0);
      },
      "power must be in (0, 1], got 0");
  ExpectError([] { NormaliseTypes({at::zeros({2})}, 1.0); },
              "types must be floating point [R,L], got Float [2]");
}

TEST(SecondOrderPoolingTest, ConfigBindsToYaml) {
  PoolingConfig config;
  ASSERT_OK(ParseConfig("pooling: first_order\n", "test.yaml", {"power=0.5"},
                        &config));
  EXPECT_EQ(config.pooling, Pooling::kFirstOrder);
  EXPECT_EQ(config.power, 0.5);
  EXPECT_FALSE(ParseConfig("power: 2\n", "test.yaml", {}, &config).ok());
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
