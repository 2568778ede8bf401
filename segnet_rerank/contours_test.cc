#include "segnet_rerank/contours.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace segnet_rerank {
namespace {

// Columns 0 .. left - 1 are 0, the others `value`.
at::Tensor Step(int64_t height, int64_t width, int64_t left, int64_t value) {
  at::Tensor step = at::zeros({height, width}, at::kByte);
  step.slice(1, left).fill_(value);
  return step;
}

at::Tensor Grey(const at::Tensor& plane) {
  return plane.unsqueeze(0).repeat({3, 1, 1});
}

TEST(ContourStrengthTest, AStepIsOnePixelWide) {
  const at::Tensor strength = ContourStrength(Grey(Step(5, 8, 4, 255)));
  at::Tensor expected = at::zeros({5, 8});
  expected.select(1, 3).fill_(1);
  EXPECT_TRUE(at::allclose(strength, expected, 0, 1e-5)) << strength;
  const at::Tensor across =
      ContourStrength(Grey(Step(5, 8, 4, 255).t().contiguous()));
  EXPECT_TRUE(at::equal(across, strength.t()));
}

TEST(ContourStrengthTest, IsTheDifferenceInLab) {
  // L* of grey 119 is 50.03, of 0 it is 0 (by the formula of CIE 15).
  const at::Tensor strength = ContourStrength(Grey(Step(3, 6, 3, 119)));
  EXPECT_NEAR(strength[1][2].item<float>(), 0.5003f, 1e-3);
}

TEST(ContourStrengthTest, NothingIsOnAFlatImage) {
  for (const int64_t side : {1, 2, 5}) {
    const at::Tensor image = at::full({3, side, side + 1}, 77, at::kByte);
    EXPECT_EQ(ContourStrength(image).max().item<float>(), 0) << side;
  }
  EXPECT_EQ(ContourStrength(at::full({3, 1, 1}, 9, at::kByte)).numel(), 1);
}

TEST(ContourStrengthTest, RowsAndColumnsAreTreatedAlike) {
  at::manual_seed(5);
  const at::Tensor image =
      at::randint(0, 256, {3, 13, 17}, at::TensorOptions(at::kByte));
  const at::Tensor strength = ContourStrength(image);
  EXPECT_GE(strength.min().item<float>(), 0);
  EXPECT_LE(strength.max().item<float>(), 1);
  EXPECT_GT(strength.eq(0).sum().item<int64_t>(), 13 * 17 / 2);
  EXPECT_TRUE(at::equal(ContourStrength(image.transpose(1, 2)), strength.t()));
  for (const at::Tensor& same : {ChannelsLast(image), ColumnMajor(image)}) {
    EXPECT_TRUE(at::equal(ContourStrength(same), strength));
  }
}

TEST(ContourStrengthTest, Errors) {
  ExpectError(
      [] {
        ContourStrength(at::zeros({3, 4, 4}));
      },
      "image must be uint8 [3,H,W] on the CPU");
  ExpectError(
      [] {
        ContourStrength(at::zeros({1, 4, 4}, at::kByte));
      },
      "got Byte [1, 4, 4]");
  ExpectError(
      [] {
        ContourStrength(at::zeros({3, 0, 4}, at::kByte));
      },
      "not empty");
}

at::Tensor Agreement(const at::Tensor& labels, const at::Tensor& contours) {
  return ContourAgreement(labels, contours)
      .view({labels.size(0), 2, kContourThresholds, kDistanceBins});
}

// The same from the definition.
at::Tensor BruteForce(const at::Tensor& labels, const at::Tensor& contours) {
  const int64_t height = labels.size(0), width = labels.size(1);
  const auto label = [&](int64_t y, int64_t x) {
    return labels[y][x].item<int64_t>();
  };
  struct Pixel {
    int64_t y, x;
    double strength;
  };
  std::vector<Pixel> boundary, all;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      all.push_back({y, x, contours[y][x].item<double>()});
      if ((x + 1 < width && label(y, x) != label(y, x + 1)) ||
          (y + 1 < height && label(y, x) != label(y + 1, x))) {
        boundary.push_back({y, x, 1.0});
      }
    }
  }
  const auto bin = [](const Pixel& from, const std::vector<Pixel>& to) {
    double least = 1e9;
    for (const Pixel& p : to) {
      least = std::min(least, std::hypot(p.y - from.y, p.x - from.x));
    }
    int64_t at = 0;
    for (const double edge : {1, 2, 4, 8, 16}) at += least > edge ? 1 : 0;
    return at;
  };
  at::Tensor result = at::zeros({2, 10, 6}, at::kDouble);
  for (int64_t j = 0; j < 10; ++j) {
    const double threshold = 0.02 * std::pow(25.0, j / 9.0);
    std::vector<Pixel> strong;
    for (const Pixel& p : all) {
      if (p.strength >= threshold) strong.push_back(p);
    }
    for (const Pixel& p : boundary) result[0][j][bin(p, strong)] += 1;
    for (const Pixel& p : strong) result[1][j][bin(p, boundary)] += p.strength;
  }
  for (int64_t d = 0; d < 2; ++d) {
    const double sum = result[d].sum().item<double>();
    if (sum > 0) result[d] /= sum;
  }
  return result;
}

TEST(ContourAgreementTest, ABoundaryOnTheContour) {
  at::Tensor contours = at::zeros({5, 24});
  contours.select(1, 11).fill_(0.9);
  const at::Tensor labels =
      at::stack({Step(5, 24, 12, 2), Step(5, 24, 15, 2), Step(5, 24, 23, 1)});
  const at::Tensor result = Agreement(labels, contours);
  // All contours reach all thresholds: one bin holds a tenth for each.
  for (const auto& [proposal, bin] :
       std::vector<std::pair<int64_t, int64_t>>{{0, 0}, {1, 2}, {2, 4}}) {
    at::Tensor expected = at::zeros({2, 10, 6}, at::kDouble);
    expected.select(2, bin).fill_(0.1);
    EXPECT_TRUE(at::allclose(result[proposal], expected)) << proposal;
  }
}

TEST(ContourAgreementTest, MatchesBruteForce) {
  for (const int64_t width : {1, 2, 9, 40}) {
    at::manual_seed(width);
    const at::Tensor labels =
        at::randint(0, 3, {3, 7, width}, at::TensorOptions(at::kByte));
    labels[1].fill_(1);
    labels[1].slice(1, width / 2).fill_(0);
    const at::Tensor contours =
        at::rand({7, width}) * at::rand({7, width}).gt(0.9).to(at::kFloat);
    const at::Tensor result = Agreement(labels, contours);
    for (int64_t m = 0; m < 3; ++m) {
      EXPECT_TRUE(at::allclose(result[m], BruteForce(labels[m], contours)))
          << width << " " << m;
    }
    for (const at::Tensor& same : {ChannelsLast(labels), ColumnMajor(labels)}) {
      EXPECT_TRUE(at::equal(Agreement(same, contours), result));
    }
  }
}

TEST(ContourAgreementTest, NothingToAgreeWith) {
  const at::Tensor flat = at::zeros({1, 4, 6}, at::kByte);
  const at::Tensor half = Step(4, 6, 3, 1).unsqueeze(0);
  const at::Tensor none = at::zeros({4, 6});
  const at::Tensor some = at::full({4, 6}, 0.05f);
  // Neither boundary nor contour.
  EXPECT_EQ(Agreement(flat, none).sum().item<double>(), 0);
  // No boundary: all strength is beyond.
  const at::Tensor only = Agreement(flat, some)[0];
  EXPECT_EQ(only[0].sum().item<double>(), 0);
  EXPECT_NEAR(only[1].select(1, 5).sum().item<double>(), 1, 1e-12);
  // No contour: all boundary pixels are beyond.
  const at::Tensor other = Agreement(half, none)[0];
  EXPECT_NEAR(other[0].select(1, 5).sum().item<double>(), 1, 1e-12);
  EXPECT_EQ(other[1].sum().item<double>(), 0);
  // One pixel, no proposal.
  EXPECT_EQ(Agreement(at::zeros({1, 1, 1}, at::kByte), at::zeros({1, 1}))
                .sum()
                .item<double>(),
            0);
  EXPECT_EQ(ContourAgreement(at::zeros({0, 4, 6}, at::kByte), some).sizes(),
            at::IntArrayRef({0, 120}));
}

TEST(ContourAgreementTest, Errors) {
  const at::Tensor labels = at::zeros({2, 4, 6}, at::kByte);
  ExpectError(
      [&] {
        ContourAgreement(labels.to(at::kLong), at::ones({4, 6}));
      },
      "labels must be uint8 [M,H,W]");
  ExpectError(
      [&] {
        ContourAgreement(labels, at::ones({4, 5}));
      },
      "got Float [4, 5]");
  ExpectError(
      [&] {
        ContourAgreement(labels, at::ones({4, 6}, at::kDouble));
      },
      "contours must be float32");
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
