#include "common/metrics/confusion_matrix.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::IsNan;

at::Tensor Labels(std::vector<int64_t> values, at::IntArrayRef sizes) {
  return at::tensor(values, at::kLong).view(sizes);
}

// target 0: 3 right, 1 as class 1; target 1: 2 right; 1 ignored.
ConfusionMatrix Example() {
  ConfusionMatrix matrix(3);
  matrix.Add(Labels({0, 0, 0, 1, 1, 1, 7}, {7}),
             Labels({0, 0, 0, 0, 1, 1, 255}, {7}));
  return matrix;
}

TEST(ConfusionMatrixTest, HandWorked) {
  const ConfusionMatrix matrix = Example();
  EXPECT_EQ(matrix.count(0, 0), 3);
  EXPECT_EQ(matrix.count(0, 1), 1);
  EXPECT_EQ(matrix.count(1, 1), 2);
  EXPECT_EQ(matrix.total(), 6);
  EXPECT_THAT(matrix.Iou(),
              ElementsAre(DoubleEq(3.0 / 4), DoubleEq(2.0 / 3), IsNan()));
  EXPECT_THAT(matrix.Recall(), ElementsAre(0.75, 1.0, IsNan()));
  EXPECT_THAT(matrix.Precision(), ElementsAre(1.0, DoubleEq(2.0 / 3), IsNan()));
  EXPECT_THAT(matrix.F1(),
              ElementsAre(DoubleEq(6.0 / 7), DoubleEq(4.0 / 5), IsNan()));
  EXPECT_DOUBLE_EQ(matrix.MeanIou(), (3.0 / 4 + 2.0 / 3) / 2);
  EXPECT_DOUBLE_EQ(matrix.MeanClassAccuracy(), 0.875);
  EXPECT_DOUBLE_EQ(matrix.PixelAccuracy(), 5.0 / 6);
  EXPECT_DOUBLE_EQ(matrix.FrequencyWeightedIou(),
                   (4 * 0.75 + 2 * (2.0 / 3)) / 6);
}

TEST(ConfusionMatrixTest, AgreesWithBincountOnRandomLabels) {
  at::manual_seed(2);
  const at::Tensor prediction = at::randint(0, 5, {2, 30, 40}, at::kLong);
  const at::Tensor target = at::randint(0, 5, {2, 30, 40}, at::kLong);
  ConfusionMatrix matrix(5);
  matrix.Add(prediction, target);
  EXPECT_TRUE(at::equal(
      matrix.counts(),
      at::bincount((target * 5 + prediction).view({-1}), {}, 25).view({5, 5})));
}

TEST(ConfusionMatrixTest, AnyIntegerTypesAndStrides) {
  at::manual_seed(2);
  const at::Tensor prediction = at::randint(0, 3, {6, 8}, at::kLong);
  const at::Tensor target = at::randint(0, 3, {6, 8}, at::kLong);
  ConfusionMatrix expected(3);
  expected.Add(prediction, target);
  for (at::ScalarType a : {at::kByte, at::kShort, at::kInt, at::kLong}) {
    for (at::ScalarType b : {at::kByte, at::kInt, at::kLong}) {
      ConfusionMatrix matrix(3);
      matrix.Add(prediction.to(a).t(), target.to(b).t());
      EXPECT_TRUE(at::equal(matrix.counts(), expected.counts()));
    }
  }
}

TEST(ConfusionMatrixTest, PredictedButNeverTrueCountsAsZero) {
  ConfusionMatrix matrix(2);
  matrix.Add(Labels({0, 1}, {2}), Labels({0, 0}, {2}));
  EXPECT_THAT(matrix.Iou(), ElementsAre(0.5, 0.0));
  EXPECT_DOUBLE_EQ(matrix.MeanIou(), 0.25);
  EXPECT_THAT(matrix.Recall(), ElementsAre(0.5, IsNan()));
}

TEST(ConfusionMatrixTest, MaskSelectsPixels) {
  ConfusionMatrix matrix(2);
  matrix.Add(Labels({0, 1, 1}, {3}), Labels({0, 0, 1}, {3}),
             at::tensor({1, 0, 1}).to(at::kBool));
  EXPECT_EQ(matrix.total(), 2);
  EXPECT_DOUBLE_EQ(matrix.PixelAccuracy(), 1.0);
}

TEST(ConfusionMatrixTest, MergeIsTheSumAndResetClears) {
  ConfusionMatrix matrix = Example();
  matrix.Merge(Example());
  EXPECT_TRUE(at::equal(matrix.counts(), 2 * Example().counts()));
  EXPECT_DOUBLE_EQ(matrix.MeanIou(), Example().MeanIou());
  matrix.Reset();
  EXPECT_EQ(matrix.total(), 0);
}

TEST(ConfusionMatrixTest, EmptyGivesNanNotACrash) {
  ConfusionMatrix matrix(2);
  matrix.Add(at::zeros({0, 4}, at::kLong), at::zeros({0, 4}, at::kLong));
  EXPECT_THAT(matrix.MeanIou(), IsNan());
  EXPECT_THAT(matrix.PixelAccuracy(), IsNan());
  EXPECT_THAT(matrix.MeanClassAccuracy(), IsNan());
  EXPECT_THAT(matrix.FrequencyWeightedIou(), IsNan());
}

TEST(ConfusionMatrixTest, OneClass) {
  ConfusionMatrix matrix(1);
  matrix.Add(at::zeros({4}, at::kLong), at::zeros({4}, at::kByte));
  EXPECT_DOUBLE_EQ(matrix.MeanIou(), 1.0);
}

TEST(ConfusionMatrixTest, NegativeIgnoreLabel) {
  ConfusionMatrix matrix(2, -1);
  matrix.Add(Labels({0, 1}, {2}), Labels({-1, 1}, {2}));
  EXPECT_EQ(matrix.total(), 1);
}

TEST(ConfusionMatrixTest, Errors) {
  ConfusionMatrix matrix = Example();
  ExpectError(
      [&] {
        matrix.Add(Labels({0, 0}, {2}), Labels({0, 3}, {2}));
      },
      "target has label 3 at pixel 1, which is neither in 0..2 nor the "
      "ignore label 255");
  ExpectError(
      [&] {
        matrix.Add(Labels({0, -4}, {2}), Labels({0, 1}, {2}));
      },
      "prediction has label -4 at pixel 1, expected 0..2");
  EXPECT_EQ(matrix.total(), 6);  // nothing was added
  ExpectError(
      [&] {
        matrix.Add(Labels({0}, {1}), Labels({0, 1}, {2}));
      },
      "prediction must have the sizes of target [2], got [1]");
  ExpectError(
      [&] {
        matrix.Add(at::zeros({2}), Labels({0, 1}, {2}));
      },
      "must be integers, got Float and Long");
  ExpectError([&] { matrix.Merge(ConfusionMatrix(2)); },
              "cannot merge 2 classes into 3");
  ExpectError([&] { matrix.count(3, 0); }, "no entry (3, 0)");
  ExpectError([] { ConfusionMatrix(0); }, "at least 1, got 0");
}

}  // namespace
}  // namespace seg
