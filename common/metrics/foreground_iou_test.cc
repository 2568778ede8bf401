#include "common/metrics/foreground_iou.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "common/metrics/confusion_matrix.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

at::Tensor Row(std::vector<int64_t> values) {
  return at::tensor(values).unsqueeze(0);
}

TEST(ForegroundIouTest, ByHand) {
  ForegroundIou iou;
  EXPECT_TRUE(std::isnan(iou.mean()));
  // Any part against any class: 2 of 4, as a pixel is void.
  iou.Add(Row({3, 1, 2, 0, 0, 5}), Row({1, 2, 0, 1, 0, 255}));
  EXPECT_NEAR(iou.mean(), 2 / (4 + 1e-6), 1e-15);
  // All right.
  iou.Add(Row({1, 0}), Row({4, 0}));
  EXPECT_NEAR(iou.mean(), (2 / (4 + 1e-6) + 1 / (1 + 1e-6)) / 2, 1e-15);
  EXPECT_EQ(iou.images(), 2);
}

TEST(ForegroundIouTest, EmptyMasks) {
  ForegroundIou iou;
  iou.Add(Row({0, 0}), Row({0, 0}));  // nothing found, nothing there: 0
  EXPECT_EQ(iou.mean(), 0.0);
  iou.Add(Row({1, 1}), Row({0, 0}));
  iou.Add(Row({0, 0}), Row({1, 1}));
  EXPECT_EQ(iou.mean(), 0.0);
  EXPECT_EQ(iou.images(), 3);
  iou.Add(Row({1, 0}), Row({255, 255}));  // all void: no image
  iou.Add(at::zeros({0, 3, 3}, at::kByte), at::zeros({0, 3, 3}, at::kByte));
  iou.Add(at::zeros({2, 0}, at::kByte), at::zeros({2, 0}, at::kByte));
  EXPECT_EQ(iou.images(), 3);
}

TEST(ForegroundIouTest, AgreesWithTheConfusionMatrixOfEachImage) {
  at::manual_seed(1);
  const at::Tensor prediction = at::randint(4, {5, 7, 9}, at::kLong);
  at::Tensor target = at::randint(4, {5, 7, 9}, at::kLong);
  target = at::where(target.eq(3), at::full_like(target, 9), target);
  ForegroundIou iou(/*ignore_label=*/9), halves(9), rest(9);
  iou.Add(prediction, target);
  double sum = 0;
  for (int64_t n = 0; n < 5; ++n) {
    ConfusionMatrix counts(2, 9);
    const at::Tensor binary =
        at::where(target[n].eq(9), target[n], target[n].ne(0).to(at::kLong));
    counts.Add(prediction[n].ne(0).to(at::kLong), binary);
    const double both = static_cast<double>(counts.count(1, 1));
    const double either =
        static_cast<double>(counts.total() - counts.count(0, 0));
    sum += both / (either + 1e-6);
  }
  EXPECT_NEAR(iou.mean(), sum / 5, 1e-14);
  // In parts, in other types and layouts.
  for (int64_t n = 0; n < 3; ++n) {
    halves.Add(prediction[n].to(at::kByte), target[n]);
  }
  rest.Add(ColumnMajor(prediction.slice(0, 3)), Sparse(target.slice(0, 3)));
  halves.Merge(rest);
  EXPECT_NEAR(halves.mean(), iou.mean(), 1e-14);
  EXPECT_EQ(halves.images(), 5);
}

TEST(ForegroundIouTest, Errors) {
  ForegroundIou iou;
  const at::Tensor x = at::zeros({2, 3}, at::kByte);
  ExpectError([&] { iou.Add(x, x.t()); },
              "prediction must have the sizes of target [3, 2], got [2, 3]");
  ExpectError([&] { iou.Add(x[0], x[0]); },
              "target must be [H,W] or [N,H,W], got sizes [3]");
  ExpectError([&] { iou.Add(x.to(at::kFloat), x); },
              "must be integers, got Float and Byte");
}

}  // namespace
}  // namespace seg
