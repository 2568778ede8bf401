#include "segnet_rerank/coarse.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "common/losses/expected_iou.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace segnet_rerank {
namespace {

constexpr int64_t kVoid = 255;

// Blocks and noise, with some void.
at::Tensor RandomLabels(int64_t images, int64_t height, int64_t width,
                        int64_t classes) {
  at::manual_seed(height * 1000 + width);
  const at::Tensor noise = at::randint(classes, {images, height, width});
  const at::Tensor blocks =
      at::arange(width).div(7, "floor").remainder(classes).expand_as(noise);
  const at::Tensor kind = at::randint(8, {images, height, width});
  return at::where(kind < 5, blocks, noise)
      .masked_fill(kind == 7, kVoid)
      .to(at::kByte);
}

// The part of [a, a+1) that lies in cell i, in real numbers.
double Overlap(int64_t a, int64_t i, int64_t size, int64_t grid) {
  const double cell = static_cast<double>(size) / static_cast<double>(grid);
  const double begin = std::max<double>(a, cell * static_cast<double>(i));
  const double end = std::min<double>(a + 1, cell * static_cast<double>(i + 1));
  return std::max(0.0, end - begin);
}

at::Tensor BruteForce(const at::Tensor& labels, int64_t classes, int64_t grid) {
  const int64_t height = labels.size(1), width = labels.size(2);
  const at::Tensor values = labels.to(at::kLong);
  at::Tensor areas =
      at::zeros({labels.size(0), classes, grid, grid}, at::kDouble);
  auto to = areas.accessor<double, 4>();
  const auto from = values.accessor<int64_t, 3>();
  for (int64_t n = 0; n < labels.size(0); ++n) {
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x) {
        if (from[n][y][x] == kVoid) continue;
        for (int64_t i = 0; i < grid; ++i) {
          for (int64_t j = 0; j < grid; ++j) {
            to[n][from[n][y][x]][i][j] +=
                Overlap(y, i, height, grid) * Overlap(x, j, width, grid);
          }
        }
      }
    }
  }
  const at::Tensor valid = areas.sum(1, true);
  // Real borders of cells leave slivers where there is nothing.
  return at::where(valid > 1e-9, areas / valid, 0.0);
}

double Difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

TEST(ClassSharesTest, HandWorked) {
  // Three pixels in a row, two cells of one and a half: the middle one is
  // shared, the last one is void.
  const at::Tensor labels = at::tensor({0, 1, 255}, at::kByte).view({1, 1, 3});
  const at::Tensor shares = ClassShares(labels, 2, kVoid, 2);
  ASSERT_EQ(shares.sizes(), at::IntArrayRef({1, 2, 2, 2}));
  ASSERT_EQ(shares.scalar_type(), at::kFloat);
  for (int64_t i = 0; i < 2; ++i) {  // the rows of cells are halves of the row
    EXPECT_FLOAT_EQ(shares[0][0][i][0].item<float>(), 2.0f / 3);
    EXPECT_FLOAT_EQ(shares[0][1][i][0].item<float>(), 1.0f / 3);
    EXPECT_EQ(shares[0][0][i][1].item<float>(), 0);
    EXPECT_EQ(shares[0][1][i][1].item<float>(), 1);
  }
}

struct Sizes {
  int64_t height, width, grid;
};
class ClassSharesSizesTest : public ::testing::TestWithParam<Sizes> {};
INSTANTIATE_TEST_SUITE_P(Sizes, ClassSharesSizesTest,
                         ::testing::Values(Sizes{37, 50, 13}, Sizes{5, 20, 13},
                                           Sizes{3, 2, 13}, Sizes{26, 39, 13},
                                           Sizes{1, 1, 13}, Sizes{9, 7, 1},
                                           Sizes{11, 10, 4}));

TEST_P(ClassSharesSizesTest, EqualsAreasByBruteForce) {
  const auto [height, width, grid] = GetParam();
  const at::Tensor labels = RandomLabels(3, height, width, 5);
  const at::Tensor shares = ClassShares(labels, 5, kVoid, grid);
  // One rounding to float; the cell borders in double.
  EXPECT_LT(Difference(shares, BruteForce(labels, 5, grid)), 1e-7);
  EXPECT_TRUE(
      at::equal(ClassShares(labels.to(at::kLong), 5, kVoid, grid), shares));
  for (const at::Tensor& other : Layouts(labels.to(at::kLong))) {
    EXPECT_TRUE(at::equal(ClassShares(other, 5, kVoid, grid), shares));
  }
  EXPECT_LT(Difference(ClassSharesComposed(labels, 5, kVoid, grid), shares),
            2e-6);
}

TEST_P(ClassSharesSizesTest, CellsSumToOneOrAreVoid) {
  const auto [height, width, grid] = GetParam();
  at::Tensor labels = RandomLabels(2, height, width, 5);
  labels[1].fill_(kVoid);
  const at::Tensor sums = ClassShares(labels, 5, kVoid, grid).sum(1);
  const at::Tensor is_one = (sums - 1).abs() < 1e-6;
  EXPECT_TRUE(is_one.logical_or(sums == 0).all().item<bool>());
  EXPECT_TRUE((sums[1] == 0).all().item<bool>());
  labels.fill_(3);
  EXPECT_TRUE((ClassShares(labels, 5, kVoid, grid).select(1, 3) == 1)
                  .all()
                  .item<bool>());
}

TEST(ClassSharesTest, OfDivisibleSizesArePlainCounts) {
  const at::Tensor labels = RandomLabels(1, 26, 39, 4);
  const at::Tensor shares = ClassShares(labels, 4, kVoid, 13);
  for (int64_t i = 0; i < 13; ++i) {
    for (int64_t j = 0; j < 13; ++j) {
      const at::Tensor cell = labels[0].narrow(0, 2 * i, 2).narrow(1, 3 * j, 3);
      const double valid = (cell != kVoid).sum().item<double>();
      for (int64_t c = 0; c < 4; ++c) {
        EXPECT_FLOAT_EQ(shares[0][c][i][j].item<float>(),
                        static_cast<float>((cell == c).sum().item<double>() /
                                           std::max(valid, 1.0)));
      }
    }
  }
}

TEST(ClassSharesTest, TheSharesOfAllCellsAreThoseOfTheImage) {
  // Without void all cells weigh the same, so their mean is the image's.
  const at::Tensor labels = RandomLabels(1, 50, 31, 3).remainder(3);
  const at::Tensor mean = ClassShares(labels, 3, kVoid, 13).mean({0, 2, 3});
  for (int64_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(mean[c].item<double>(),
                (labels == c).to(at::kDouble).mean().item<double>(), 1e-6);
  }
}

TEST(ClassSharesTest, TheIgnoredLabelMayBeAnyNumber) {
  const at::Tensor labels =
      at::tensor({0, 1, -1, 1}, at::kLong).view({1, 2, 2});
  const at::Tensor shares = ClassShares(labels, 2, -1, 1).flatten();
  EXPECT_FLOAT_EQ(shares[0].item<float>(), 1.0f / 3);
  EXPECT_FLOAT_EQ(shares[1].item<float>(), 2.0f / 3);
  EXPECT_LT(Difference(ClassSharesComposed(labels, 2, -1, 1).flatten(), shares),
            1e-7);
  const at::Tensor second = ClassShares(labels.clamp_min(0), 2, 1, 1).flatten();
  EXPECT_EQ(second[0].item<float>(), 1);
}

TEST(ClassSharesTest, DoNotDependOnThreads) {
  const at::Tensor labels = RandomLabels(4, 60, 71, 6);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor expected = ClassShares(labels, 6, kVoid, 13);
  at::set_num_threads(4);
  EXPECT_TRUE(at::equal(ClassShares(labels, 6, kVoid, 13), expected));
  at::set_num_threads(threads);
}

TEST(ClassSharesTest, AreTargetsOfTheLosses) {
  const at::Tensor labels = RandomLabels(2, 37, 50, 5);
  const at::Tensor shares = ClassShares(labels, 5, kVoid, 13);
  const ExpectedIouResult result =
      ExpectedUoi(at::zeros_like(shares), shares, {});
  EXPECT_EQ(result.counted.item<int64_t>(), 5);
  EXPECT_TRUE(at::isfinite(result.value).item<bool>());
}

TEST(ClassSharesTest, OfNoImages) {
  EXPECT_EQ(ClassShares(at::zeros({0, 4, 5}, at::kByte), 3, kVoid, 13).sizes(),
            at::IntArrayRef({0, 3, 13, 13}));
}

TEST(ClassSharesErrorTest, NameTheArgument) {
  const at::Tensor labels = at::zeros({1, 4, 5}, at::kByte);
  ExpectError([&] { ClassShares(labels[0], 2, kVoid, 3); },
              "ClassShares: labels must be [N,H,W], got [4, 5]");
  ExpectError([&] { ClassShares(labels.to(at::kInt), 2, kVoid, 3); },
              "labels must be uint8 or int64, got Int");
  ExpectError([&] { ClassShares(labels.narrow(1, 0, 0), 2, kVoid, 3); },
              "must not be empty in H or W");
  ExpectError([&] { ClassShares(labels, 0, kVoid, 3); },
              "classes must be >= 1, got 0");
  ExpectError([&] { ClassShares(labels, 2, kVoid, 0); },
              "grid must be >= 1, got 0");
  ExpectError([&] { ClassShares(labels + 7, 2, kVoid, 3); },
              "labels must be 0 .. 1 or 255, got 7");
  ExpectError([&] { ClassShares(labels.to(at::kLong) - 3, 2, kVoid, 3); },
              "labels must be 0 .. 1 or 255, got -3");
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
