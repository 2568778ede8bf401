#include "segnet_rerank/picks.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"
#include "segnet_rerank/coarse.h"

namespace seg {
namespace segnet_rerank {
namespace {

// A distribution over `classes` in each cell.
at::Tensor RandomMap(int64_t classes, int64_t grid, int64_t seed = 3) {
  return at::softmax(2 * Random({classes, grid, grid}, seed), 0);
}

// Cells that are certain of these labels.
at::Tensor Certain(const std::vector<int64_t>& labels, int64_t classes,
                   int64_t grid) {
  return at::one_hot(at::tensor(labels).view({grid, grid}), classes)
      .permute({2, 0, 1})
      .to(at::kDouble);
}

std::vector<int64_t> Labels(const at::Tensor& labels) {
  EXPECT_EQ(labels.scalar_type(), at::kByte);
  const std::vector<double> values = Values(labels);
  return std::vector<int64_t>(values.begin(), values.end());
}

TEST(NaiveLabelsTest, EachPixelTakesTheCellOfItsCentre) {
  const at::Tensor ph = Certain({0, 1, 2, 3}, 4, 2);
  EXPECT_EQ(Labels(NaiveLabels(ph, 2, 4)),
            (std::vector<int64_t>{0, 0, 1, 1, 2, 2, 3, 3}));
  // The centre of the middle pixel of three is on the border: the later cell.
  EXPECT_EQ(Labels(NaiveLabels(ph, 1, 3)), (std::vector<int64_t>{2, 3, 3}));
  EXPECT_EQ(Labels(NaiveLabels(ph, 3, 1)), (std::vector<int64_t>{1, 3, 3}));
}

TEST(NaiveLabelsTest, OfEqualClassesTheLowest) {
  EXPECT_EQ(Labels(NaiveLabels(at::ones({3, 1, 1}), 1, 1)),
            (std::vector<int64_t>{0}));
}

TEST(NaiveLabelsTest, EqualsTheNearestCell) {
  const at::Tensor ph = RandomMap(5, 13);
  const at::Tensor labels = NaiveLabels(ph, 37, 50);
  const at::Tensor cells = ph.argmax(0);
  for (int64_t y = 0; y < 37; ++y) {
    for (int64_t x = 0; x < 50; ++x) {
      const auto cell = [](int64_t i, double size) {
        return static_cast<int64_t>((static_cast<double>(i) + 0.5) / size * 13);
      };
      EXPECT_EQ(labels[y][x].item<int64_t>(),
                cells[cell(y, 37)][cell(x, 50)].item<int64_t>());
    }
  }
  EXPECT_TRUE(at::equal(NaiveLabels(ph.to(at::kFloat), 37, 50), labels));
}

TEST(SuperpixelLabelsTest, HandWorked) {
  // Three pixels in a row over 2 x 2 cells of one and a half columns; both rows
  // of cells are certain of class 0 on the left and of class 1 on the right.
  const at::Tensor ph = Certain({0, 1, 0, 1}, 2, 2);
  const auto of = [&](const std::vector<int32_t>& superpixels) {
    return Labels(
        SuperpixelLabels(ph, at::tensor(superpixels, at::kInt).view({1, 3})));
  };
  EXPECT_EQ(of({0, 0, 1}), (std::vector<int64_t>{0, 0, 1}));
  EXPECT_EQ(of({0, 1, 1}), (std::vector<int64_t>{0, 1, 1}));
  EXPECT_EQ(of({0, 0, 0}), (std::vector<int64_t>{0, 0, 0}));  // equal shares
  EXPECT_EQ(of({0, 1, 0}), (std::vector<int64_t>{0, 0, 0}));
}

TEST(SuperpixelLabelsTest, EqualsTheDefinition) {
  const int64_t grid = 4, classes = 5;
  const at::Tensor ph = RandomMap(classes, grid);
  at::manual_seed(4);
  const at::Tensor superpixels = at::randint(12, {11, 14}, at::kInt);
  const at::Tensor labels = SuperpixelLabels(ph, superpixels);
  // |s and cell| / |cell| of all s are the shares of s as a class.
  const at::Tensor shares =
      ClassShares(superpixels.to(at::kLong).unsqueeze(0), 12, -1, grid)[0].to(
          at::kDouble);
  for (int64_t s = 0; s < 12; ++s) {
    const at::Tensor mass = (shares[s] * ph).sum({1, 2});
    EXPECT_TRUE(
        (labels.masked_select(superpixels == s) == mass.argmax().to(at::kByte))
            .all()
            .item<bool>());
  }
  EXPECT_TRUE(
      at::equal(SuperpixelLabels(ph, ColumnMajor(superpixels)), labels));
  EXPECT_TRUE(
      at::equal(SuperpixelLabels(ph.to(at::kFloat), superpixels), labels));
}

TEST(SuperpixelLabelsTest, PixelsOfTheirOwnAreTheNaiveLabels) {
  const at::Tensor ph = RandomMap(5, 4);
  // Sizes that the grid divides: a pixel lies in one cell.
  const at::Tensor superpixels = at::arange(8 * 12, at::kInt).view({8, 12});
  EXPECT_TRUE(
      at::equal(SuperpixelLabels(ph, superpixels), NaiveLabels(ph, 8, 12)));
}

TEST(SuperpixelLabelsTest, SmallerThanTheGrid) {
  const at::Tensor ph = RandomMap(3, 13);
  const at::Tensor labels = SuperpixelLabels(ph, at::zeros({1, 1}, at::kInt));
  EXPECT_EQ(labels.item<int64_t>(), ph.mean({1, 2}).argmax().item<int64_t>());
  EXPECT_EQ(SuperpixelLabels(ph, at::zeros({0, 3}, at::kInt)).sizes(),
            at::IntArrayRef({0, 3}));
}

// Eq. 17 in loops.
std::vector<double> Loops(const at::Tensor& ph, const at::Tensor& q,
                          const CoarseDivergenceOptions& options) {
  const int64_t classes = ph.size(0), cells = ph.numel() / classes;
  const std::vector<double> p = Values(ph), r = Values(q);
  const double e = options.smoothing;
  std::vector<double> sums(3);
  for (int64_t i = 0; i < cells; ++i) {
    double weight = 0;
    for (int64_t c = 0; c < classes; ++c) weight += r[c * cells + i];
    if (weight == 0) continue;
    for (int64_t c = 0; c < classes; ++c) {
      const double total = 1 + e * static_cast<double>(classes);
      const double a = (p[c * cells + i] + e) / total;
      const double b = (r[c * cells + i] + e) / total;
      sums[0] += a * std::log(a / b);
      sums[1] += b * std::log(b / a);
    }
    sums[2] += options.background_weight * r[i];
  }
  return sums;
}

at::Tensor RandomProposals(int64_t count, int64_t classes, int64_t grid) {
  at::manual_seed(8);
  const at::Tensor labels = at::randint(classes, {count, 20, 30});
  return ClassShares(labels, classes, 255, grid);
}

TEST(CoarseDivergenceTest, HandWorked) {
  const at::Tensor ph = at::tensor({0.75, 0.25}, at::kDouble).view({2, 1, 1});
  const at::Tensor q = at::tensor({0.5, 0.5}, at::kDouble).view({1, 2, 1, 1});
  CoarseDivergenceOptions options;
  options.smoothing = 0;
  options.background_weight = 3;
  const std::vector<double> terms = Values(CoarseDivergence(ph, q, options));
  EXPECT_NEAR(terms[0], 0.75 * std::log(1.5) + 0.25 * std::log(0.5), 1e-15);
  EXPECT_NEAR(terms[1], 0.5 * std::log(2 / 3.0) + 0.5 * std::log(2.0), 1e-15);
  EXPECT_NEAR(terms[2], 1.5, 1e-15);
}

TEST(CoarseDivergenceTest, EqualsLoops) {
  const at::Tensor ph = RandomMap(4, 13);
  at::Tensor q = RandomProposals(6, 4, 13);
  q[2].narrow(1, 3, 5).zero_();  // void
  const at::Tensor found = CoarseDivergence(ph, q);
  ASSERT_EQ(found.sizes(), at::IntArrayRef({6, 3}));
  ASSERT_EQ(found.scalar_type(), at::kDouble);
  for (int64_t m = 0; m < 6; ++m) {
    const std::vector<double> expected = Loops(ph, q[m], {});
    for (int64_t t = 0; t < 3; ++t) {
      EXPECT_NEAR(found[m][t].item<double>(), expected[t], 1e-11);
    }
  }
  for (const at::Tensor& other : Layouts(q)) {
    EXPECT_TRUE(at::allclose(CoarseDivergence(ph, other), found, 1e-12, 0));
  }
}

TEST(CoarseDivergenceTest, IsNotNegativeAndZeroForEqualMaps) {
  const at::Tensor ph = RandomMap(5, 13);
  const at::Tensor same = CoarseDivergence(ph, ph.unsqueeze(0));
  EXPECT_EQ(same[0][0].item<double>(), 0);
  EXPECT_EQ(same[0][1].item<double>(), 0);
  EXPECT_NEAR(same[0][2].item<double>(), 0.02 * ph[0].sum().item<double>(),
              1e-12);
  EXPECT_TRUE((CoarseDivergence(ph, RandomProposals(5, 5, 13)) >= 0)
                  .all()
                  .item<bool>());
}

TEST(CoarseDivergenceTest, WithoutSmoothingHardLabelsAreInfinitelyFar) {
  const at::Tensor ph = RandomMap(2, 1);
  const at::Tensor q = Certain({1}, 2, 1).unsqueeze(0);
  CoarseDivergenceOptions options;
  options.smoothing = 0;
  const at::Tensor terms = CoarseDivergence(ph, q, options)[0];
  EXPECT_TRUE(std::isinf(terms[0].item<double>()));
  EXPECT_TRUE(std::isfinite(terms[1].item<double>()));
  EXPECT_TRUE(at::isfinite(CoarseDivergence(ph, q)).all().item<bool>());
}

TEST(CoarseDivergenceTest, VoidCellsHaveNoPart) {
  const at::Tensor ph = RandomMap(3, 2);
  at::Tensor q = RandomMap(3, 2, 5).unsqueeze(0);
  const at::Tensor whole = CoarseDivergence(ph, q);
  at::Tensor sum = at::zeros_like(whole);
  for (int64_t i = 0; i < 4; ++i) {  // the four cells, one at a time
    at::Tensor one = at::zeros_like(q);
    one.flatten(2).select(2, i).copy_(q.flatten(2).select(2, i));
    sum += CoarseDivergence(ph, one);
  }
  EXPECT_TRUE(at::allclose(sum, whole, 1e-12, 0));
  EXPECT_EQ(CoarseDivergence(at::zeros_like(ph), q).sum().item<double>(), 0);
  EXPECT_EQ(CoarseDivergence(ph, at::zeros_like(q)).sum().item<double>(), 0);
}

TEST(KlPickTest, PrefersTheLabellingThatTheMapWasMadeOf) {
  const at::Tensor q = RandomProposals(8, 4, 13).to(at::kDouble);
  for (int64_t m = 0; m < 8; ++m) {
    const at::Tensor ph = 0.7 * q[m] + 0.3 * RandomMap(4, 13, 10 + m);
    EXPECT_EQ(KlPick(ph, q), m);
  }
}

TEST(KlPickTest, OfEqualsTheFirst) {
  const at::Tensor q = RandomProposals(2, 4, 13);
  EXPECT_EQ(KlPick(q[1], at::stack({q[0], q[1], q[1]})), 1);
}

TEST(KlPickTest, ThePenaltyLowersTheBackgroundOfThePicks) {
  double with = 0, without = 0;
  int64_t changed = 0;
  CoarseDivergenceOptions none;
  none.background_weight = 0;
  for (int64_t image = 0; image < 20; ++image) {
    // Proposals that say a little more or less background each, and a map
    // between them.
    at::manual_seed(image);
    const at::Tensor noise = 0.2 * at::randn({10, 2, 13, 13}, at::kDouble);
    const at::Tensor bias = 0.02 * at::randn({10, 1}, at::kDouble);
    at::Tensor scores = noise.clone();
    scores.select(1, 0).add_(bias.unsqueeze(2));
    const at::Tensor q = at::softmax(scores, 1);
    const at::Tensor ph = q.mean(0);
    const int64_t a = KlPick(ph, q, none);
    CoarseDivergenceOptions strong;
    strong.background_weight = 0.2;
    const int64_t b = KlPick(ph, q, strong);
    const double share_a = q[a][0].mean().item<double>();
    const double share_b = q[b][0].mean().item<double>();
    EXPECT_LE(share_b, share_a);
    changed += a != b;
    without += share_a;
    with += share_b;
  }
  EXPECT_GT(changed, 0);
  EXPECT_LT(with, without);
}

TEST(PicksErrorTest, NameTheArgument) {
  const at::Tensor ph = RandomMap(3, 4);
  ExpectError([&] { NaiveLabels(ph.narrow(1, 0, 2), 4, 4); },
              "NaiveLabels: ph must be [C,g,g], got [3, 2, 4]");
  ExpectError([&] { NaiveLabels(ph, 0, 4); },
              "NaiveLabels: height and width must be >= 1, got 0 x 4");
  ExpectError(
      [&] {
        NaiveLabels(at::zeros({257, 1, 1}), 4, 4);
      },
      "NaiveLabels: ph must have at most 256 classes, got 257");
  ExpectError(
      [&] {
        SuperpixelLabels(ph, at::zeros({2, 2}));
      },
      "superpixels must be int32 [H,W] on the CPU, got Float [2, 2]");
  ExpectError(
      [&] {
        SuperpixelLabels(ph, at::full({1, 2}, 2, at::kInt));
      },
      "superpixels must be 0 .. S-1 with S <= H W = 2, got 2 .. 2");
  ExpectError(
      [&] {
        SuperpixelLabels(ph, at::full({1, 2}, -1, at::kInt));
      },
      "got -1 .. -1");
  ExpectError([&] { CoarseDivergence(ph, ph); },
              "q must be [M,C,g,g] with the sizes of ph, [3, 4, 4], got "
              "[3, 4, 4]");
  ExpectError([&] { CoarseDivergence(ph, -ph.unsqueeze(0)); },
              "CoarseDivergence: q must be >= 0");
  CoarseDivergenceOptions options;
  options.smoothing = -1;
  ExpectError([&] { CoarseDivergence(ph, ph.unsqueeze(0), options); },
              "smoothing must be >= 0, got -1");
  EXPECT_EQ(CoarseDivergence(ph, at::zeros({0, 3, 4, 4})).size(0), 0);
  ExpectError(
      [&] {
        KlPick(ph, at::zeros({0, 3, 4, 4}));
      },
      "KlPick: q must have one labelling or more");
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
