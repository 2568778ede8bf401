#include "common/losses/soft_cross_entropy.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <vector>

#include "common/losses/cross_entropy.h"
#include "common/testing/gradcheck.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using ::testing::DoubleNear;
using ::testing::Pointwise;

double Loss(const at::Tensor& scores, const at::Tensor& target) {
  return SoftCrossEntropySum(scores, target).item<double>();
}

// [N, C, H, W] double from labels [N, H, W]; label C is void.
at::Tensor OneHot(const at::Tensor& labels, int64_t classes) {
  return at::one_hot(labels, classes + 1)
      .movedim(-1, 1)
      .slice(1, 0, classes)
      .to(at::kDouble)
      .contiguous();
}

at::Tensor Labels(at::IntArrayRef sizes, int64_t classes, int64_t seed = 5) {
  at::manual_seed(seed);
  return at::randint(0, classes, sizes, at::kLong);
}

TEST(SoftCrossEntropyTest, HandWorked) {
  // Pixel 0: p = (3/4, 1/4), t = (1/2, 1/2). Pixel 1: p = (1/2, 1/2), void.
  const at::Tensor scores =
      at::tensor({0.75, 0.5, 0.25, 0.5}, at::kDouble).log().view({1, 2, 2});
  const at::Tensor target =
      at::tensor({0.5, 0.0, 0.5, 0.0}, at::kDouble).view({1, 2, 2});
  const double expected = -0.5 * std::log(0.75) - 0.5 * std::log(0.25);
  EXPECT_NEAR(Loss(scores, target), expected, 1e-15);
  EXPECT_NEAR(Loss(scores + 7.0, target), expected, 1e-14);
}

TEST(SoftCrossEntropyTest, AgreesWithLoopsAndTheGradientFormula) {
  const at::Tensor scores = Random({2, 3, 4, 5});
  const at::Tensor target = at::softmax(Random({2, 3, 4, 5}, 4), 1);
  const at::Tensor leaf = scores.clone().set_requires_grad(true);
  const at::Tensor loss = SoftCrossEntropySum(leaf, target);
  const at::Tensor gradient = torch::autograd::grad({loss}, {leaf})[0];
  double sum = 0.0;
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t i = 0; i < 20; ++i) {
      const std::vector<double> s = Values(scores[n].flatten(1).select(1, i));
      const std::vector<double> t = Values(target[n].flatten(1).select(1, i));
      double z = 0.0;
      for (double value : s) z += std::exp(value);
      std::vector<double> expected;
      for (int c = 0; c < 3; ++c) {
        sum -= t[c] * (s[c] - std::log(z));
        expected.push_back(std::exp(s[c]) / z - t[c]);
      }
      EXPECT_THAT(Values(gradient[n].flatten(1).select(1, i)),
                  Pointwise(DoubleNear(1e-14), expected));
    }
  }
  EXPECT_NEAR(loss.item<double>(), sum, 1e-12);
}

TEST(SoftCrossEntropyTest, OneHotTargetsAreTheCrossEntropyOfLabels) {
  const at::Tensor scores = Random({2, 3, 6, 4});
  const at::Tensor labels = Labels({2, 6, 4}, 4);  // label 3 is void
  CrossEntropyOptions options;
  options.reduction = CrossEntropyReduction::kSum;
  options.ignore_label = 3;
  EXPECT_NEAR(Loss(scores, OneHot(labels, 3)),
              CrossEntropy(scores, labels, options).item<double>(), 1e-12);
}

TEST(SoftCrossEntropyTest, VoidPixelsGiveExactlyNothing) {
  const at::Tensor scores = Random({2, 3, 4, 4});
  at::Tensor target = OneHot(Labels({2, 4, 4}, 3), 3);
  target.select(0, 1).zero_();
  target.slice(2, 0, 1).zero_();
  const at::Tensor leaf = scores.clone().set_requires_grad(true);
  const at::Tensor loss = SoftCrossEntropySum(leaf, target);
  const at::Tensor gradient = torch::autograd::grad({loss}, {leaf})[0];
  EXPECT_EQ(gradient[1].abs().max().item<double>(), 0.0);
  EXPECT_EQ(gradient.slice(2, 0, 1).abs().max().item<double>(), 0.0);
  EXPECT_GT(gradient[0].abs().max().item<double>(), 0.1);
  const at::Tensor changed = scores.clone();
  changed.select(0, 1).fill_(1e4);
  EXPECT_EQ(Loss(changed, target), loss.item<double>());
  EXPECT_EQ(Loss(scores, at::zeros_like(scores)), 0.0);
}

TEST(SoftCrossEntropyTest, LargeScoresDoNotOverflow) {
  const at::Tensor scores =
      at::tensor({-1e4f, 1e4f}).view({1, 2, 1}).set_requires_grad(true);
  const at::Tensor target = at::tensor({1.0f, 0.0f}).view({1, 2, 1});
  const at::Tensor loss = SoftCrossEntropySum(scores, target);
  EXPECT_EQ(loss.item<float>(), 2e4f);
  EXPECT_THAT(Values(torch::autograd::grad({loss}, {scores})[0]),
              testing::ElementsAre(-1.0, 1.0));
}

TEST(SoftCrossEntropyTest, GradientMatchesFiniteDifferences) {
  at::Tensor target = at::softmax(Random({2, 3, 4, 2}, 4), 1);
  target.slice(3, 0, 1).slice(2, 0, 2).zero_();
  const auto loss = [&target](const std::vector<at::Tensor>& in) {
    return SoftCrossEntropySum(in[0], target);
  };
  const at::Tensor scores = Random({2, 3, 4, 2});
  EXPECT_TRUE(GradCheck(loss, {scores}));
  for (const at::Tensor& other : Layouts(scores)) {
    EXPECT_TRUE(GradCheck(loss, {other}));
    EXPECT_NEAR(Loss(other, ColumnMajor(target)), Loss(scores, target), 1e-12);
  }
}

TEST(SoftCrossEntropyTest, TheTargetIsAConstant) {
  const at::Tensor target = at::ones({1, 2, 1}).set_requires_grad(true);
  EXPECT_FALSE(
      SoftCrossEntropySum(at::zeros({1, 2, 1}), target).requires_grad());
}

TEST(SoftCrossEntropyTest, FloatEmptyOneClassAndMatrix) {
  const at::Tensor scores = Random({2, 3, 16, 16});
  const at::Tensor target = at::softmax(Random({2, 3, 16, 16}, 4), 1);
  // A sum of 1536 float terms of size 1.
  EXPECT_NEAR(Loss(scores.to(at::kFloat), target.to(at::kFloat)),
              Loss(scores, target), 1e-3);
  EXPECT_EQ(Loss(at::zeros({0, 3, 2}), at::zeros({0, 3, 2})), 0.0);
  EXPECT_EQ(Loss(Random({1, 1, 4}), at::ones({1, 1, 4}, at::kDouble)), 0.0);
  EXPECT_NEAR(Loss(at::zeros({5, 4}), at::full({5, 4}, 0.25)),
              5.0 * std::log(4.0), 1e-5);
}

TEST(LabelPyramidDownTest, HandWorked) {
  // Blocks: all of class 0; three of 0 and one of 1; void; void and one of 1.
  const at::Tensor labels = at::tensor({0, 0, 0, 0, 2, 2, 2, 2,  //
                                        0, 0, 0, 1, 2, 2, 2, 1},
                                       at::kLong)
                                .view({1, 2, 8});
  const at::Tensor down = LabelPyramidDown(OneHot(labels, 2));
  EXPECT_THAT(Values(down), testing::ElementsAre(1.0, 0.5, 0.0, 0.0,  //
                                                 0.0, 0.5, 0.0, 1.0));
}

TEST(LabelPyramidDownTest, AgreesWithPooling) {
  const at::Tensor target = at::rand({2, 3, 8, 16}, at::kDouble);
  at::Tensor pooled = target;
  for (int64_t levels = 1; levels <= 3; ++levels) {
    pooled = at::max_pool2d(pooled, {2, 2});
    EXPECT_TRUE(at::allclose(LabelPyramidDown(target, levels),
                             pooled / pooled.sum(1, true), 0.0, 1e-15));
  }
}

TEST(LabelPyramidDownTest, PresentClassesShareABlockAndVoidStaysVoid) {
  const at::Tensor target = OneHot(Labels({2, 16, 16}, 4), 3);
  at::Tensor with_void = target.clone();
  with_void.slice(2, 0, 4).zero_();
  const at::Tensor down = LabelPyramidDown(with_void, 2);
  EXPECT_TRUE(down.isfinite().all().item<bool>());
  const at::Tensor sum = down.sum(1);
  EXPECT_EQ(sum.slice(1, 0, 1).abs().max().item<double>(), 0.0);
  EXPECT_TRUE(at::allclose(sum.slice(1, 1), at::ones({2, 3, 4}, at::kDouble)));
  // Equal shares: 0 or 1 / (number of classes present).
  const at::Tensor present = (down > 0).to(at::kDouble);
  EXPECT_TRUE(at::allclose(down, present / present.sum(1, true).clamp_min(1.0),
                           0.0, 1e-15));
  // Void pixels in a block leave the rest of it as it is.
  with_void = target.clone();
  with_void.slice(2, 0, 16, 2).zero_();
  const at::Tensor rows = target.slice(2, 1, 16, 2);
  EXPECT_TRUE(at::equal(LabelPyramidDown(with_void),
                        LabelPyramidDown(rows.repeat_interleave(2, 2))));
}

TEST(LabelPyramidDownTest, LayoutsTypesAndEmpty) {
  const at::Tensor target = OneHot(Labels({2, 4, 8}, 3), 3);
  const at::Tensor down = LabelPyramidDown(target);
  for (const at::Tensor& other : Layouts(target)) {
    EXPECT_TRUE(at::equal(LabelPyramidDown(other), down));
  }
  const at::Tensor single = LabelPyramidDown(target.to(at::kFloat));
  EXPECT_EQ(single.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::allclose(single.to(at::kDouble), down));
  EXPECT_EQ(LabelPyramidDown(at::zeros({0, 3, 4, 4})).sizes(),
            (std::vector<int64_t>{0, 3, 2, 2}));
}

TEST(SoftCrossEntropyTest, Errors) {
  const at::Tensor x = at::zeros({1, 3, 2});
  ExpectError([&] { SoftCrossEntropySum(x[0][0], x[0][0]); },
              "scores must be [N, C, ...], got sizes [2]");
  ExpectError(
      [&] {
        SoftCrossEntropySum(x, at::zeros({1, 2, 2}));
      },
      "the sizes of scores, [1, 3, 2], got [1, 2, 2]");
  ExpectError([&] { SoftCrossEntropySum(x, x.to(at::kDouble)); },
              "the type of scores, Float, got Double");
  ExpectError([&] { SoftCrossEntropySum(x.to(at::kInt), x); },
              "float32 or float64, got Int");
  ExpectError([&] { LabelPyramidDown(x); }, "[N, C, H, W], got sizes");
  ExpectError(
      [&] {
        LabelPyramidDown(at::zeros({1, 2, 6, 4}), 2);
      },
      "multiples of 4, got 6 x 4");
  ExpectError(
      [&] {
        LabelPyramidDown(at::zeros({1, 2, 4, 4}), 0);
      },
      "levels must be in 1..30, got 0");
  ExpectError(
      [&] {
        LabelPyramidDown(at::zeros({1, 2, 4, 4}, at::kLong));
      },
      "float32 or float64, got Long");
}

}  // namespace
}  // namespace seg
