#include "segnet_rerank/o2p/pasting.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "common/config/config.h"
#include "common/testing/status_matchers.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace segnet_rerank {
namespace {

// Scores of one label.
at::Tensor OneLabel(const std::vector<double>& scores) {
  return at::tensor(scores, at::kDouble)
      .view({static_cast<int64_t>(scores.size()), 1});
}

std::vector<int64_t> RegionsOf(const std::vector<PaintedRegion>& painted) {
  std::vector<int64_t> regions;
  for (const PaintedRegion& region : painted) regions.push_back(region.region);
  return regions;
}

using Ids = std::vector<int64_t>;

TEST(ChooseRegionsTest, BestFirstAndTheThresholdIsTheBackground) {
  // Region 1 is below the threshold, region 3 at it.
  const std::vector<PaintedRegion> painted =
      ChooseRegions(OneLabel({0.5, 0.1, 0.9, 0.2}), {});
  EXPECT_EQ(RegionsOf(painted), (Ids{2, 0}));
  EXPECT_EQ(painted[0].label, 1);
  EXPECT_EQ(painted[0].score, 0.9);
}

TEST(ChooseRegionsTest, SimplicityBias) {
  // They would have to exceed 0.20, 0.22 and 0.24.
  EXPECT_EQ(RegionsOf(ChooseRegions(OneLabel({0.235, 0.25, 0.3}), {})),
            (Ids{2, 1}));
  EXPECT_EQ(RegionsOf(ChooseRegions(OneLabel({0.241, 0.25, 0.3}), {})),
            (Ids{2, 1, 0}));
  EXPECT_EQ(RegionsOf(ChooseRegions(OneLabel({0.21, 0.215}), {})), (Ids{1}));
}

TEST(ChooseRegionsTest, AtMostThree) {
  EXPECT_EQ(RegionsOf(ChooseRegions(OneLabel({0.5, 0.6, 0.7, 0.8, 0.9}), {})),
            (Ids{4, 3, 2}));
  PastingConfig config;
  config.most_regions = 1;
  EXPECT_EQ(RegionsOf(ChooseRegions(OneLabel({0.5, 0.6}), config)), (Ids{1}));
}

TEST(ChooseRegionsTest, LabelsAndTies) {
  const at::Tensor scores =
      at::tensor({0.3, 0.7, 0.7, 0.7, 0.1, 0.2, 0.9, 0.9, 0.1}, at::kDouble)
          .view({3, 3});
  const std::vector<PaintedRegion> painted = ChooseRegions(scores, {});
  EXPECT_EQ(RegionsOf(painted), (Ids{2, 0, 1}));
  EXPECT_EQ(painted[0].label, 1);
  EXPECT_EQ(painted[1].label, 2);
  EXPECT_EQ(painted[2].label, 1);
}

// The recipe to the letter: background is the last of a region's labels, and
// regions so labelled count against the three.
std::vector<PaintedRegion> Recipe(const at::Tensor& scores,
                                  const PastingConfig& config) {
  const int64_t regions = scores.size(0), labels = scores.size(1);
  std::vector<PaintedRegion> best;
  for (int64_t r = 0; r < regions; ++r) {
    best.push_back({r, 0, config.threshold});
    for (int64_t l = 0; l < labels; ++l) {
      const double score = scores[r][l].item<double>();
      if (score > best[r].score ||
          (score == best[r].score && best[r].label == 0)) {
        best[r] = {r, l + 1, score};
      }
    }
  }
  std::stable_sort(best.begin(), best.end(),
                   [](const PaintedRegion& a, const PaintedRegion& b) {
                     return a.score > b.score;
                   });
  best.resize(std::min<size_t>(best.size(), config.most_regions));
  std::vector<PaintedRegion> painted;
  int64_t k = 0;
  for (const PaintedRegion& region : best) {
    if (region.label == 0) continue;
    if (region.score >
        config.threshold + config.simplicity_bias * static_cast<double>(k)) {
      painted.push_back(region);
    }
    ++k;
  }
  return painted;
}

TEST(ChooseRegionsTest, IsTheReleasedRecipe) {
  for (int64_t seed = 0; seed < 60; ++seed) {
    at::manual_seed(seed);
    // Two digits, so that there are ties, also with the threshold.
    const at::Tensor scores =
        (at::rand({1 + seed % 9, 1 + seed % 4}, at::kDouble) * 40).round() /
        100;
    PastingConfig config;
    config.threshold = 0.2;
    config.most_regions = 1 + seed % 5;
    const std::vector<PaintedRegion> expected = Recipe(scores, config);
    const std::vector<PaintedRegion> found = ChooseRegions(scores, config);
    ASSERT_EQ(RegionsOf(found), RegionsOf(expected)) << seed;
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].label, expected[i].label);
    }
  }
}

TEST(ChooseRegionsTest, Empty) {
  EXPECT_TRUE(ChooseRegions(at::zeros({0, 4}), {}).empty());
  EXPECT_TRUE(ChooseRegions(at::zeros({4, 0}), {}).empty());
  EXPECT_TRUE(ChooseRegions(at::zeros({0, 0}), {}).empty());
}

TEST(PaintRegionsTest, BetterOnesLieOnTop) {
  Regions regions;
  regions.superpixels = at::tensor({0, 1, 2, 3}, at::kInt).view({1, 4});
  regions.members =
      at::tensor({1, 1, 0, 0, 0, 1, 1, 0}, at::kByte).view({2, 4});
  EXPECT_EQ(Values(PaintRegions({{0, 7, 0.9}, {1, 255, 0.5}}, regions)),
            (std::vector<double>{7, 7, 255, 0}));
  EXPECT_EQ(Values(PaintRegions({{1, 255, 0.5}, {0, 7, 0.9}}, regions)),
            (std::vector<double>{7, 255, 255, 0}));
  const at::Tensor nothing = PaintRegions({}, regions);
  EXPECT_EQ(nothing.scalar_type(), at::kByte);
  EXPECT_EQ(Values(nothing), (std::vector<double>{0, 0, 0, 0}));

  regions.superpixels = at::zeros({0, 5}, at::kInt);
  EXPECT_EQ(PaintRegions({}, regions).sizes(), at::IntArrayRef({0, 5}));
}

TEST(ChooseThresholdTest, HandCase) {
  // At 0.20 both images have three regions. At 0.41 the third of the first
  // image falls: 0.45 exceeds 0.40 + 0.04 but not 0.41 + 0.04.
  const std::vector<at::Tensor> scores = {OneLabel({0.9, 0.8, 0.45}),
                                          OneLabel({0.9, 0.8, 0.7})};
  EXPECT_NEAR(ChooseThreshold(scores, {}, 2.5), 0.41, 0.0101);
  EXPECT_EQ(ChooseThreshold(scores, {}, 3.0), 0.20);
}

TEST(ChooseThresholdTest, MatchesStepByStep) {
  for (int64_t seed = 0; seed < 10; ++seed) {
    at::manual_seed(seed);
    std::vector<at::Tensor> scores, best;
    for (int64_t i = 0; i < 7; ++i) {
      scores.push_back(at::rand({i, 3}) * 0.9);  // one of no regions
      best.push_back(BestScores(scores.back(), PastingConfig().most_regions));
      EXPECT_EQ(best.back().sizes(),
                at::IntArrayRef({std::min<int64_t>(i, 3), 1}));
    }
    for (const double target : {0.0, 0.5, 1.0, 2.2}) {
      int64_t steps = 0;
      const auto average = [&] {
        PastingConfig config;
        config.threshold = 0.20 + 0.01 * static_cast<double>(steps);
        size_t count = 0;
        for (const at::Tensor& image : scores) {
          count += ChooseRegions(image, config).size();
        }
        return static_cast<double>(count) / 7.0;
      };
      while (average() > target) ++steps;
      EXPECT_EQ(ChooseThreshold(scores, {}, target),
                0.20 + 0.01 * static_cast<double>(steps))
          << seed << " " << target;
      EXPECT_EQ(ChooseThreshold(best, {}, target),
                ChooseThreshold(scores, {}, target));
    }
  }
  EXPECT_EQ(ChooseThreshold({}, {}), 0.20);
  EXPECT_EQ(ChooseThreshold({at::zeros({0, 2})}, {}, 2.2, 0.3), 0.3);
}

TEST(PastingTest, Errors) {
  const at::Tensor scores = at::zeros({2, 3});
  ExpectError([] { ChooseRegions(at::zeros({2}), {}); },
              "scores must be float32 or float64 [R,C-1] on the CPU, got Float "
              "[2]");
  ExpectError([&] { ChooseRegions(scores.to(at::kInt), {}); }, "got Int");
  const at::Tensor wrong = at::zeros({2, 3});
  wrong[1][2].fill_(std::numeric_limits<double>::quiet_NaN());
  ExpectError([&] { ChooseRegions(wrong, {}); },
              "scores must be finite, got nan for region 1 and label 3");
  ExpectError(
      [&] {
        ChooseThreshold({scores, wrong}, {});
      },
      "scores must be finite");
  PastingConfig config;
  config.most_regions = 0;
  ExpectError([&] { ChooseRegions(scores, config); },
              "most_regions must be >= 1");
  ExpectError([&] { ChooseThreshold({scores}, {}, 2.2, 0.2, 0.0); },
              "step finite and > 0");

  Regions regions;
  regions.superpixels = at::zeros({2, 2}, at::kInt);
  regions.members = at::ones({1, 1}, at::kByte);
  ExpectError(
      [&] {
        PaintRegions({{1, 1, 0.5}}, regions);
      },
      "expected a region below 1 and a label 1 to 255, got 1 and 1");
  ExpectError([&] { PaintRegions({{0, 256, 0.5}}, regions); }, "got 0 and 256");
  regions.superpixels = at::full({2, 2}, 1, at::kInt);
  ExpectError([&] { PaintRegions({}, regions); },
              "superpixels must be 0 to 0, got 1");
}

TEST(PastingTest, ConfigBindsToYaml) {
  PastingConfig config;
  ASSERT_OK(ParseConfig("threshold: 0.3\nmost_regions: 5\n", "test.yaml", {},
                        &config));
  EXPECT_EQ(config.threshold, 0.3);
  EXPECT_EQ(config.most_regions, 5);
  EXPECT_FALSE(
      ParseConfig("simplicity_bias: -1\n", "test.yaml", {}, &config).ok());
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
