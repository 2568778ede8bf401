#include "common/metrics/landmark_regression.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "common/testing/gradcheck.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using Regressor = LandmarkRegressor;

at::Tensor Doubles(std::vector<double> values, at::IntArrayRef sizes) {
  return at::tensor(values, at::kDouble).view(sizes);
}

TEST(PartCentresTest, ByHand) {
  at::Tensor masks = at::zeros({1, 3, 3, 5}, at::kDouble);
  masks[0][0][2][1] = 1.0;  // one pixel
  masks[0][1].fill_(0.25);  // the whole picture
  // The third is empty.
  const at::Tensor centres = PartCentres(masks);
  ASSERT_EQ(centres.sizes(), at::IntArrayRef({1, 3, 2}));
  // Rows lie at 0, 1.5, 3, columns at 0, 1.25, .. 5.
  EXPECT_NEAR(centres[0][0][0].item<double>(), 3.0 / (1 + 1e-6), 1e-12);
  EXPECT_NEAR(centres[0][0][1].item<double>(), 1.25 / (1 + 1e-6), 1e-12);
  const double whole = 3.75 / (3.75 + 1e-6);
  EXPECT_NEAR(centres[0][1][0].item<double>(), 1.5 * whole, 1e-12);
  EXPECT_NEAR(centres[0][1][1].item<double>(), 2.5 * whole, 1e-12);
  EXPECT_EQ(centres[0][2].abs().max().item<double>(), 0.0);
}

TEST(PartCentresTest, AgreesWithALoop) {
  const at::Tensor masks = Random({2, 3, 4, 6}).sigmoid();
  const at::Tensor centres = PartCentres(masks);
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t k = 0; k < 3; ++k) {
      double area = 1e-6, row = 0, column = 0;
      for (int64_t i = 0; i < 4; ++i) {
        for (int64_t j = 0; j < 6; ++j) {
          const double m = masks[n][k][i][j].item<double>();
          area += m;
          row += m * static_cast<double>(i) * 4 / 3;
          column += m * static_cast<double>(j) * 6 / 5;
        }
      }
      EXPECT_NEAR(centres[n][k][0].item<double>(), row / area, 1e-12);
      EXPECT_NEAR(centres[n][k][1].item<double>(), column / area, 1e-12);
    }
  }
  for (const at::Tensor& other : Layouts(masks)) {
    EXPECT_TRUE(at::allclose(PartCentres(other), centres, 1e-13, 1e-13));
  }
  // Float: sums of 24 terms of up to 5, so a few units of 1e-6.
  EXPECT_TRUE(at::allclose(PartCentres(masks.to(at::kFloat)).to(at::kDouble),
                           centres, 0, 1e-5));
}

TEST(PartCentresTest, GradientEmptyAndOnePixel) {
  EXPECT_TRUE(GradCheck([](const auto& in) { return PartCentres(in[0]); },
                        {Random({2, 2, 3, 4}).sigmoid()}));
  EXPECT_EQ(PartCentres(at::zeros({0, 2, 3, 4})).sizes(),
            at::IntArrayRef({0, 2, 2}));
  EXPECT_EQ(PartCentres(at::zeros({3, 0, 3, 4})).sizes(),
            at::IntArrayRef({3, 0, 2}));
  EXPECT_EQ(PartCentres(at::ones({1, 1, 1, 1})).abs().max().item<float>(), 0);
}

TEST(LandmarkRegressorTest, ByHand) {
  // One centre that moves along its row, one landmark: y = 2 x.
  const at::Tensor centres = Doubles({1, 0, 2, 0, 3, 0}, {3, 1, 2});
  const at::Tensor landmarks = Doubles({2, 1, 4, 1, 6, 1}, {3, 1, 2});
  // The column is always 0, so X is singular: (X^T X + I)^-1 X^T y.
  const Regressor plain = Regressor::Fit(centres, landmarks, {}, false);
  EXPECT_NEAR(plain.weights()[0][0].item<double>(), 28.0 / 15.0, 1e-12);
  EXPECT_NEAR(plain.weights()[0][1].item<double>(), 6.0 / 15.0, 1e-12);
  EXPECT_NEAR(plain.weights()[1][0].item<double>(), 0.0, 1e-12);
  EXPECT_EQ(plain.bias().abs().max().item<double>(), 0.0);
  // Centred, x is -1, 0, 1 and y -2, 0, 2 and 0.
  const Regressor biased = Regressor::Fit(centres, landmarks, {}, true);
  EXPECT_NEAR(biased.weights()[0][0].item<double>(), 4.0 / 3.0, 1e-12);
  EXPECT_NEAR(biased.bias()[0].item<double>(), 4.0 - 8.0 / 3.0, 1e-12);
  EXPECT_NEAR(biased.bias()[1].item<double>(), 1.0, 1e-12);
}

TEST(LandmarkRegressorTest, RecoversALinearMapExactly) {
  const at::Tensor centres = Random({30, 4, 2}, 1);
  const at::Tensor map = Random({8, 10}, 2);
  const at::Tensor shift = Random({10}, 3);
  const at::Tensor x = centres.reshape({30, 8});
  const at::Tensor plain_y = x.mm(map).view({30, 5, 2});
  const at::Tensor biased_y = (x.mm(map) + shift).view({30, 5, 2});
  const Regressor plain = Regressor::Fit(centres, plain_y, {}, false);
  EXPECT_TRUE(at::allclose(plain.weights(), map, 0, 1e-10));
  EXPECT_LT(NormalizedLandmarkError(plain.Predict(centres), plain_y, {}, 0, 1),
            1e-10);
  const Regressor biased = Regressor::Fit(centres, biased_y, {}, true);
  EXPECT_TRUE(at::allclose(biased.weights(), map, 0, 1e-10));
  EXPECT_TRUE(at::allclose(biased.bias(), shift, 0, 1e-10));
  EXPECT_LT(SumOfMeanAbsoluteErrors(biased.Predict(centres), biased_y, {}),
            1e-9);
  // Without a bias the shift is out of reach.
  const Regressor lacking = Regressor::Fit(centres, biased_y, {}, false);
  EXPECT_GT(
      NormalizedLandmarkError(lacking.Predict(centres), biased_y, {}, 0, 1),
      0.05);
  // Float inputs: 1e-6 of numbers of size 10, times the condition.
  const Regressor single =
      Regressor::Fit(centres.to(at::kFloat), plain_y.to(at::kFloat), {}, false);
  EXPECT_TRUE(at::allclose(single.weights(), map, 0, 1e-4));
}

TEST(LandmarkRegressorTest, NormalEquationsHold) {
  const at::Tensor centres = Random({12, 2, 2}, 4);
  const at::Tensor landmarks = Random({12, 3, 2}, 5);
  const Regressor plain = Regressor::Fit(centres, landmarks, {}, false);
  const at::Tensor x = centres.reshape({12, 4});
  const at::Tensor rest = (landmarks - plain.Predict(centres)).reshape({12, 6});
  EXPECT_LT(x.t().mm(rest).abs().max().item<double>(), 1e-10);
  const Regressor biased = Regressor::Fit(centres, landmarks, {}, true);
  const at::Tensor other =
      (landmarks - biased.Predict(centres)).reshape({12, 6});
  EXPECT_LT(x.t().mm(other).abs().max().item<double>(), 1e-10);
  EXPECT_LT(other.sum(0).abs().max().item<double>(), 1e-10);
}

TEST(LandmarkRegressorTest, SingularMeansRidgeOne) {
  // Twice the same centre, and fewer images than columns.
  for (const int64_t images : {20, 3}) {
    const at::Tensor one = Random({images, 1, 2}, 6);
    const at::Tensor centres = at::cat({one, one}, 1);
    const at::Tensor landmarks = Random({images, 2, 2}, 7);
    const Regressor fitted = Regressor::Fit(centres, landmarks, {}, false);
    const at::Tensor x = centres.reshape({images, 4});
    const at::Tensor left = x.t().mm(x) + at::eye(4, at::kDouble);
    EXPECT_TRUE(at::allclose(left.mm(fitted.weights()),
                             x.t().mm(landmarks.reshape({images, 4})), 0,
                             1e-10));
  }
}

TEST(LandmarkRegressorTest, NoCentresGiveTheMean) {
  const at::Tensor landmarks = Random({7, 3, 2}, 8);
  const at::Tensor none = at::zeros({7, 0, 2}, at::kDouble);
  const Regressor mean = Regressor::Fit(none, landmarks, {}, true);
  EXPECT_TRUE(at::allclose(mean.Predict(none)[5], landmarks.mean(0)));
  EXPECT_EQ(Regressor::Fit(none, landmarks, {}, false)
                .Predict(none)
                .abs()
                .max()
                .item<double>(),
            0.0);
}

TEST(LandmarkRegressorTest, EachLandmarkIsFittedOnTheImagesThatShowIt) {
  const at::Tensor centres = Random({20, 2, 2}, 1);
  const at::Tensor map = Random({4, 6}, 2);
  at::Tensor landmarks = centres.reshape({20, 4}).mm(map).view({20, 3, 2});
  at::Tensor visible = at::ones({20, 3}, at::kBool);
  visible.slice(0, 0, 5).select(1, 1).fill_(false);
  landmarks.slice(0, 0, 5).select(1, 1).fill_(-1);  // as files say it
  visible.select(1, 2).fill_(false);
  const Regressor fitted = Regressor::Fit(centres, landmarks, visible, false);
  EXPECT_TRUE(at::allclose(fitted.weights().slice(1, 0, 4), map.slice(1, 0, 4),
                           0, 1e-10));
  const at::Tensor predicted = fitted.Predict(centres);
  EXPECT_TRUE(predicted.select(1, 2).isnan().all().item<bool>());
  EXPECT_LT(NormalizedLandmarkError(predicted, landmarks, visible, 0, 1),
            1e-10);
  EXPECT_LT(SumOfMeanAbsoluteErrors(predicted, landmarks, visible), 1e-10);
  // What is not predicted stays out of the means, whatever is said to be there.
  EXPECT_LT(
      SumOfMeanAbsoluteErrors(predicted.slice(0, 5), landmarks.slice(0, 5), {}),
      1e-10);
}

TEST(LandmarkErrorTest, ByHand) {
  // Eyes 4 apart in the first image, 10 in the second.
  const at::Tensor truth =
      Doubles({0, 0, 0, 4, 3, 3, 0, 0, 6, 8, 1, 1}, {2, 3, 2});
  at::Tensor predicted = truth.clone();
  predicted[0][2] = at::tensor({6.0, 7.0}, at::kDouble);  // 5 away
  predicted[1][0] = at::tensor({0.0, 2.0}, at::kDouble);  // 2 away
  EXPECT_NEAR(NormalizedLandmarkError(predicted, truth, {}, 0, 1),
              (5.0 / 4 + 2.0 / 10) / 6, 1e-15);
  EXPECT_NEAR(NormalizedLandmarkError(predicted, truth, {}, 1, 0),
              (5.0 / 4 + 2.0 / 10) / 6, 1e-15);
  EXPECT_NEAR(SumOfMeanAbsoluteErrors(predicted, truth, {}),
              (3.0 + 4.0) / 2 + 2.0 / 2, 1e-15);
  // Without an eye an image has no unit; its coordinates still count.
  at::Tensor visible = at::ones({2, 3}, at::kBool);
  visible[1][1] = false;
  EXPECT_NEAR(NormalizedLandmarkError(predicted, truth, visible, 0, 1),
              5.0 / 4 / 3, 1e-15);
  EXPECT_NEAR(SumOfMeanAbsoluteErrors(predicted, truth, visible),
              (3.0 + 4.0) / 2 + 2.0 / 2, 1e-15);
  visible[0][2] = false;
  EXPECT_EQ(NormalizedLandmarkError(predicted, truth, visible, 0, 1), 0.0);
  EXPECT_NEAR(SumOfMeanAbsoluteErrors(predicted, truth, visible), 2.0 / 2,
              1e-15);
}

TEST(LandmarkErrorTest, WithoutData) {
  const at::Tensor none = at::zeros({0, 3, 2}, at::kDouble);
  EXPECT_TRUE(std::isnan(NormalizedLandmarkError(none, none, {}, 0, 1)));
  EXPECT_TRUE(std::isnan(SumOfMeanAbsoluteErrors(none, none, {})));
  // All landmarks in one place: no unit.
  const at::Tensor same = at::ones({2, 3, 2}, at::kDouble);
  EXPECT_TRUE(std::isnan(NormalizedLandmarkError(same, same, {}, 0, 1)));
  // Nothing to fit on: everything is NaN, and there is no crash.
  const Regressor empty = Regressor::Fit(at::zeros({0, 2, 2}), none, {}, false);
  EXPECT_TRUE(empty.Predict(at::ones({1, 2, 2})).isnan().all().item<bool>());
}

TEST(LandmarkErrorTest, OneImage) {
  const at::Tensor centres = Random({1, 2, 2}, 1);
  const at::Tensor landmarks = Random({1, 2, 2}, 2);
  const Regressor fitted = Regressor::Fit(centres, landmarks, {}, true);
  // The mean of one image is that image.
  EXPECT_TRUE(at::allclose(fitted.Predict(centres), landmarks, 0, 1e-12));
}

TEST(LandmarkErrorTest, Errors) {
  const at::Tensor x = at::zeros({4, 3, 2});
  ExpectError([&] { PartCentres(x); },
              "masks must be [N,K,H,W], got sizes [4, 3, 2]");
  ExpectError(
      [&] {
        PartCentres(at::zeros({1, 2, 3, 4}, at::kByte));
      },
      "masks must be floating point, got Byte");
  ExpectError([&] { Regressor::Fit(x.flatten(1), x, {}, false); },
              "centres must be [N,?,2], got sizes [4, 6]");
  ExpectError([&] { Regressor::Fit(x, x.slice(0, 1), {}, false); },
              "landmarks of 4 images as of the centres, got 3");
  ExpectError(
      [&] {
        Regressor::Fit(x, x, at::ones({4, 3}), false);
      },
      "visible must be bool [4, 3], got Float [4, 3]");
  ExpectError(
      [&] { Regressor::Fit(x, x, {}, false).Predict(x.slice(1, 0, 2)); },
      "fitted on 3 centres, got 2");
  ExpectError([&] { Regressor().Predict(x); }, "not fitted");
  ExpectError([&] { NormalizedLandmarkError(x, x, {}, 0, 3); },
              "two of the 3 landmarks, got 0 and 3");
  ExpectError([&] { NormalizedLandmarkError(x, x, {}, 1, 1); },
              "two of the 3 landmarks, got 1 and 1");
  ExpectError([&] { SumOfMeanAbsoluteErrors(x, x.slice(0, 1), {}); },
              "must have the sizes of landmarks [3, 3, 2], got [4, 3, 2]");
}

}  // namespace
}  // namespace seg
