#include "common/evaluation/landmark_error.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/random.h"
#include "common/datasets/synthetic/generated.h"
#include "common/evaluation/evaluate.h"
#include "common/testing/status_matchers.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kSide = 16;

// Two bright pixels at (a, b) and (c, d), in a channel each, and three points
// that are linear in these four numbers: two eyes and a nose. On every fifth
// image the eyes are swapped.
Sample Face(int64_t index) {
  Rng rng(RandomKey({7, static_cast<uint64_t>(index)}));
  const int64_t a = rng.Below(kSide);
  const int64_t b = rng.Below(kSide);
  const int64_t c = rng.Below(kSide);
  const int64_t d = rng.Between(4, kSide - 1);
  Sample sample;
  sample.id = "face" + std::to_string(index);
  sample.image = at::zeros({3, kSide, kSide}, at::kByte);
  sample.image[0][a][b] = 255;
  sample.image[1][c][d] = 255;
  const std::vector<double> left = {0.3 * b, 1.0 * a, 1};
  const std::vector<double> right = {0.3 * b + 0.9 * d, 1.0 * c, 1};
  const bool swapped = index % 5 == 0;
  sample.points = at::stack({at::tensor(swapped ? right : left),
                             at::tensor(swapped ? left : right),
                             at::tensor(std::vector<double>{
                                 0.3 * b + 0.45 * d, 0.5 * a + 0.5 * c, 1})})
                      .to(at::kFloat);
  return sample;
}

std::shared_ptr<const Dataset> Faces(int64_t first, int64_t size,
                                     std::function<Sample(int64_t)> make) {
  DatasetInfo info;
  info.name = "faces";
  info.class_names = {"background", "face"};
  info.palette = {{0, 0, 0}, {255, 0, 0}};
  info.has_masks = false;
  return GeneratedDataset(info, "face", first, size, std::move(make));
}

// Background, and a part in each of the first two channels; the second output
// has one part in the middle, always.
std::vector<at::Tensor> Parts(const Batch& batch) {
  const at::Tensor parts = batch.images.slice(1, 0, 2) / 255;
  const at::Tensor rest = 1 - parts.sum(1, true);
  const at::Tensor blind = at::full_like(rest, 0.5);
  return {at::cat({rest, parts}, 1), at::cat({blind, blind}, 1)};
}

absl::StatusOr<Findings> Measured(const Dataset& data,
                                  LandmarkErrorOptions options = {},
                                  LandmarkSource training = nullptr,
                                  const ProbabilitiesFn& predict = Parts) {
  FunctionPredictor predictor({"parts", "blind"}, predict);
  Measures measures;
  measures.push_back(std::make_unique<LandmarkError>(predictor.Names(), options,
                                                     std::move(training)));
  return Evaluate(data, predictor, measures, {});
}

// [N,3,2], rows and columns, the eyes in order.
at::Tensor Truth(int64_t first, int64_t last) {
  std::vector<at::Tensor> all;
  for (int64_t i = first; i < last; ++i) {
    const at::Tensor p = Face(i).points.to(at::kDouble);
    const at::Tensor rows =
        i % 5 == 0 ? at::tensor({1, 0, 2}) : at::tensor({0, 1, 2});
    all.push_back(
        at::stack({p.select(1, 1), p.select(1, 0)}, 1).index_select(0, rows));
  }
  return at::stack(all);
}

TEST(LandmarkErrorTest, FitsOnTheFirstHalfAndTestsOnTheSecond) {
  const auto data = Faces(0, 41, Face);
  LandmarkErrorOptions options;
  options.absolute_frame = 2 * kSide;
  ASSERT_OK_AND_ASSIGN(const Findings findings, Measured(*data, options));
  const Metrics& m = findings.scalars;
  // Points are floats.
  EXPECT_LT(m.at("landmark_error"), 1e-5);
  EXPECT_LT(m.at("landmark_error_with_bias"), 1e-5);
  EXPECT_LT(m.at("landmark_absolute_error"), 1e-3);
  // The mean, by hand.
  const at::Tensor off = Truth(20, 41) - Truth(0, 20).mean(0);
  const at::Tensor eyes =
      (Truth(20, 41).select(1, 0) - Truth(20, 41).select(1, 1))
          .square()
          .sum(1, true)
          .sqrt();
  const double mean = (off.square().sum(2).sqrt() / eyes).mean().item<double>();
  EXPECT_GT(mean, 0.2);
  EXPECT_NEAR(m.at("mean_landmark_error"), mean, 1e-10);
  // Pixels of a frame twice as wide.
  EXPECT_NEAR(m.at("mean_landmark_absolute_error"),
              2 * off.abs().mean(0).sum().item<double>(), 1e-9);
  // Centres that never move are no better than the mean with a constant, and
  // without one they are one.
  EXPECT_NEAR(m.at("blind/landmark_error_with_bias"), mean, 1e-6);
  EXPECT_GT(m.at("blind/landmark_error"), 0.9 * mean);
  EXPECT_EQ(m.count("blind/mean_landmark_error"), 0u);
  ASSERT_FALSE(findings.tables.empty());
  EXPECT_THAT(findings.tables[0],
              HasSubstr("fitted on the first 20 of these images, tested on "
                        "the other 21"));
}

TEST(LandmarkErrorTest, FitsOnOtherImages) {
  const auto train = Faces(0, 30, Face);
  const auto test = Faces(30, 12, Face);
  FunctionPredictor predictor({"parts", "blind"}, Parts);
  ASSERT_OK_AND_ASSIGN(const std::vector<LandmarkSet> sets,
                       CollectLandmarks(*train, predictor, {}, c10::kCPU));
  ASSERT_EQ(sets.size(), 2u);
  EXPECT_EQ(sets[0].centres.sizes(), at::IntArrayRef({30, 2, 2}));
  EXPECT_EQ(sets[1].centres.sizes(), at::IntArrayRef({30, 1, 2}));
  EXPECT_TRUE(at::allclose(sets[0].landmarks, Truth(0, 30)));
  EXPECT_TRUE(sets[0].visible.all().item<bool>());
  ASSERT_OK_AND_ASSIGN(const Findings findings,
                       Measured(*test, {}, [&] { return sets; }));
  EXPECT_LT(findings.scalars.at("landmark_error"), 1e-5);
  const at::Tensor off = Truth(30, 42) - Truth(0, 30).mean(0);
  const at::Tensor eyes =
      (Truth(30, 42).select(1, 0) - Truth(30, 42).select(1, 1))
          .square()
          .sum(1, true)
          .sqrt();
  EXPECT_NEAR(findings.scalars.at("mean_landmark_error"),
              (off.square().sum(2).sqrt() / eyes).mean().item<double>(), 1e-10);
  EXPECT_EQ(findings.scalars.count("landmark_absolute_error"), 0u);
  EXPECT_THAT(findings.tables[0], HasSubstr("fitted on 30 other images"));
}

TEST(LandmarkErrorTest, WhatIsNotVisibleIsLeftOut) {
  const auto data = Faces(0, 40, [](int64_t index) {
    Sample sample = Face(index);
    sample.points = sample.points.clone();
    // No nose, and no left eye, on some. (Where one eye is hidden, nothing says
    // whether they are swapped.)
    if (index % 4 == 0) sample.points[2].fill_(-1).select(0, 2).fill_(0);
    if (index % 5 != 0 && index % 7 == 3)
      sample.points[0].fill_(-1).select(0, 2).fill_(0);
    return sample;
  });
  ASSERT_OK_AND_ASSIGN(const Findings findings, Measured(*data));
  EXPECT_LT(findings.scalars.at("landmark_error"), 1e-5);
}

TEST(LandmarkErrorTest, OneImageIsTooFew) {
  const auto data = Faces(0, 1, Face);
  ASSERT_OK_AND_ASSIGN(const Findings findings, Measured(*data));
  EXPECT_TRUE(std::isnan(findings.scalars.at("landmark_error")));
  EXPECT_TRUE(std::isnan(findings.scalars.at("mean_landmark_error")));
}

TEST(LandmarkErrorTest, Errors) {
  const auto without = Faces(0, 4, [](int64_t index) {
    Sample sample = Face(index);
    sample.points = at::Tensor();
    return sample;
  });
  EXPECT_THAT(Measured(*without),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("face0: has no landmarks to score against; "
                                 "name a file of them in data.landmarks")));
  LandmarkErrorOptions options;
  options.second = 3;
  EXPECT_THAT(Measured(*Faces(0, 4, Face), options),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("has 3 landmarks, the unit is between 0 and "
                                 "3")));
  const auto uneven = Faces(0, 4, [](int64_t index) {
    Sample sample = Face(index);
    if (index == 2) sample.points = sample.points.slice(0, 0, 2);
    return sample;
  });
  EXPECT_THAT(Measured(*uneven),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("face2: has 2 landmarks, earlier samples "
                                 "have 3")));
  options.second = options.first;
  ExpectError([&] { LandmarkError({"parts"}, options); },
              "must be two rows of the points, got 0 and 0");
  ExpectError(
      [] {
        Measured(*Faces(0, 4, Face), {},
                 [] { return std::vector<LandmarkSet>(1); })
            .status()
            .IgnoreError();
      },
      "a training set for each of 2 outputs, got 1");
}

}  // namespace
}  // namespace seg
