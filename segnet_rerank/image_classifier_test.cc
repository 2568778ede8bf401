#include "segnet_rerank/image_classifier.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace segnet_rerank {
namespace {

TEST(ImageClassifierTest, AreasAreOfKnownPixels) {
  const at::Tensor truth = at::tensor(std::vector<int64_t>{0, 1, 1, 255, 3, 0})
                               .to(at::kByte)
                               .view({2, 3});
  EXPECT_EQ(Values(ClassAreas(truth, 4)), (std::vector<double>{0.4, 0, 0.2}));
  EXPECT_EQ(Values(ClassAreas(at::full({1, 1}, 255, at::kByte), 3)),
            (std::vector<double>{0, 0}));
  EXPECT_EQ(ClassAreas(at::zeros({2, 2}, at::kByte), 1).numel(), 0);
  // Without a background class 0 counts too.
  EXPECT_EQ(Values(ClassAreas(truth, 4, 255, FirstObjectClass(false))),
            (std::vector<double>{0.4, 0.4, 0, 0.2}));
  ExpectError([&] { ClassAreas(truth, 3); },
              "truth has label 3, which is neither in 0..2 nor");
}

TEST(ImageClassifierTest, ThresholdsAreOverImagesWithTheClass) {
  // Class 1 in six images: 0.1 .. 0.6; class 2 in one; class 3 in none.
  at::Tensor areas = at::zeros({9, 3}, at::kDouble);
  for (int64_t i = 0; i < 6; ++i) areas[8 - i][0] = 0.1 * (i + 1);
  areas[4][1] = 0.25;
  const at::Tensor thresholds = AreaThresholds(areas);
  EXPECT_TRUE(at::allclose(thresholds[0], at::tensor({0.2, 0.3, 0.4, 0.5})));
  EXPECT_EQ(Values(thresholds[1]), std::vector<double>(4, 0.25));
  for (const double t : Values(thresholds[2])) EXPECT_TRUE(std::isinf(t));
  EXPECT_EQ(AreaThresholds(at::zeros({0, 2}, at::kDouble)).sizes(),
            at::IntArrayRef({2, 4}));
}

TEST(ImageClassifierTest, Targets) {
  const at::Tensor areas =
      at::tensor({0.0, 0.3, 0.2, 0.0, 0.5, 0.1}).view({3, 2});
  const at::Tensor thresholds =
      at::tensor({0.1, 0.2, 0.4, 0.6, 0.1, 0.2, 0.3, 0.4}).view({2, 4});
  const at::Tensor targets = ImageTargets(areas, thresholds);
  EXPECT_EQ(targets.scalar_type(), at::kFloat);
  const std::vector<double> expected = {
      -1, 1,  1,   // class 1
      1,  -1, 1,   // class 2
      -1, 1,  1,   // class 1 covers 0.1,
      -1, 1,  1,   // 0.2,
      -1, -1, 1,   // 0.4,
      -1, -1, -1,  // 0.6
      1,  -1, 1,   // class 2 covers 0.1,
      1,  -1, -1,  // 0.2,
      1,  -1, -1,  // 0.3,
      -1, -1, -1,  // 0.4
  };
  EXPECT_EQ(targets.sizes(), at::IntArrayRef({10, 3}));
  EXPECT_EQ(Values(targets), expected);
}

TEST(ImageClassifierTest, AClassThatIsAbsentCoversNothing) {
  const at::Tensor targets = ImageTargets(at::zeros({2, 1}, at::kDouble),
                                          at::zeros({1, 4}, at::kDouble));
  EXPECT_EQ(Values(targets), std::vector<double>(10, -1));
}

TEST(ImageClassifierTest, LargerSizesAreRarer) {
  const at::Tensor areas = (Random({40, 5}, 3) * 0.2).clamp(0, 1);
  const at::Tensor targets = ImageTargets(areas, AreaThresholds(areas));
  EXPECT_EQ(targets.sizes(), at::IntArrayRef({25, 40}));
  const at::Tensor sizes = targets.slice(0, 5).view({5, 4, 40});
  const at::Tensor there = targets.slice(0, 0, 5);
  EXPECT_TRUE(sizes.select(1, 0).le(there).all().item<bool>());
  for (int64_t j = 1; j < 4; ++j) {
    EXPECT_TRUE(
        sizes.select(1, j).le(sizes.select(1, j - 1)).all().item<bool>());
    // A fifth of the images with the class less, but for rounding.
    for (int64_t c = 0; c < 5; ++c) {
      const double with = there[c].gt(0).sum().item<double>();
      EXPECT_NEAR(sizes[c][j].gt(0).sum().item<double>() / with,
                  1 - kAreaPercentiles[j], 1 / with);
    }
  }
}

TEST(ImageClassifierTest, Scores) {
  // Two classes beside the background, one feature and the constant.
  const at::Tensor weights = at::stack(
      {at::arange(10, at::kFloat), at::arange(10, at::kFloat) * 10}, 1);
  const ImageScores scores = ScoreImage(weights, at::full({1}, 2.f));
  EXPECT_EQ(Values(scores.class_scores), (std::vector<double>{0, 12}));
  EXPECT_EQ(Values(scores.size_scores),
            (std::vector<double>{24, 36, 48, 60, 72, 84, 96, 108}));
  EXPECT_EQ(scores.size_scores.sizes(), at::IntArrayRef({2, 4}));
}

TEST(ImageClassifierTest, Errors) {
  ExpectError(
      [] {
        ScoreImage(at::zeros({10, 3}), at::zeros({3}));
      },
      "weights must be float32 [5 K,4], got Float [10, 3]");
  ExpectError([] { ScoreImage(at::zeros({9, 4}), at::zeros({3})); }, "[5 K,4]");
  ExpectError(
      [] {
        AreaThresholds(at::zeros({3, 2}));
      },
      "areas must be float64 [N,K], got Float [3, 2]");
  ExpectError(
      [] {
        ImageTargets(at::zeros({3, 2}, at::kDouble),
                     at::zeros({3, 4}, at::kDouble));
      },
      "thresholds must be float64 [2,4]");
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
