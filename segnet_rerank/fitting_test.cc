#include "segnet_rerank/fitting.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "segnet_rerank/image_analysis.h"
#include "segnet_rerank/image_classifier.h"

namespace seg {
namespace segnet_rerank {
namespace {

std::vector<int64_t> Chosen(const at::Tensor& overlap, int64_t truths,
                            int64_t most) {
  const at::Tensor chosen = ChooseExamples(overlap, truths, most);
  return std::vector<int64_t>(chosen.data_ptr<int64_t>(),
                              chosen.data_ptr<int64_t>() + chosen.numel());
}

TEST(ChooseExamplesTest, TruthThenGoodOnesThenOthersAtEqualDistances) {
  // Seven regions of a pool, the fifth and the second good, then a true one.
  // The overlap with the background does not count.
  const at::Tensor overlap =
      at::tensor({0.9f, 0.1f, 0.0f, 0.6f, 0.2f, 0.0f, 0.8f, 0.5f, 0.0f, 0.9f,
                  1.0f, 0.0f, 1.0f, 0.3f, 0.0f, 1.0f})
          .view({8, 2});
  EXPECT_THAT(Chosen(overlap, 1, 3), testing::ElementsAre(7, 4, 1));
  EXPECT_THAT(Chosen(overlap, 1, 1), testing::ElementsAre(7));
  EXPECT_THAT(Chosen(overlap, 1, 5), testing::ElementsAre(7, 4, 1, 0, 3));
  EXPECT_THAT(Chosen(overlap, 1, 100),
              testing::ElementsAre(7, 4, 1, 0, 2, 3, 5, 6));
  EXPECT_THAT(Chosen(overlap, 0, 2), testing::ElementsAre(7, 4));
  EXPECT_THAT(Chosen(at::zeros({2, 1}), 2, 5), testing::ElementsAre(0, 1));
  EXPECT_THAT(Chosen(at::zeros({0, 3}), 0, 5), testing::IsEmpty());
}

TEST(FitRegionScorerTest, ScoresTheClassThatAFeatureShows) {
  // Feature c is the overlap with class c + 1.
  at::manual_seed(1);
  const at::Tensor rows = at::rand({200, 3});
  const at::Tensor overlap = at::cat({at::rand({200, 1}), rows}, 1);
  O2pConfig config;
  config.c = 100;
  config.epsilon = 0.01;
  const at::Tensor scorer = FitRegionScorer(rows, overlap, config, 0);
  ASSERT_EQ(scorer.sizes(), at::IntArrayRef({3, 4}));
  const at::Tensor scores = LinearScores(rows, scorer);
  EXPECT_LT((scores - (rows - rows.mean(0))).abs().max().item<float>(), 0.05);
}

TEST(FitImageScorerTest, TellsClassesAndSizes) {
  at::manual_seed(2);
  // One class, in images whose first feature is high; its area grows with the
  // second.
  const at::Tensor there = at::arange(80).remainder(2).to(at::kFloat);
  const at::Tensor size = at::rand({80});
  const at::Tensor features = at::stack({there, size * there}, 1);
  const at::Tensor areas =
      (there * (0.1 + 0.8 * size)).to(at::kDouble).unsqueeze(1);
  const at::Tensor thresholds = AreaThresholds(areas);
  const at::Tensor scorer = FitImageScorer(features, areas, thresholds, 100, 0);
  ASSERT_EQ(scorer.sizes(), at::IntArrayRef({5, 3}));
  for (int64_t i = 0; i < 80; ++i) {
    const ImageScores scores = ScoreImage(scorer, features[i]);
    EXPECT_EQ(scores.class_scores[0].item<float>() > 0,
              there[i].item<float>() > 0)
        << i;
    if (areas[i][0].item<double>() > 0.8) {
      EXPECT_GT(scores.size_scores[0][0].item<float>(), 0) << i;
    }
  }
}

TEST(FitImageScorerTest, CMeansTheSameForFeaturesOfAnyLength) {
  at::manual_seed(4);
  const at::Tensor features = at::randn({60, 5});
  const at::Tensor areas =
      at::rand({60, 2}, at::kDouble) * (at::rand({60, 2}) > 0.5);
  const at::Tensor thresholds = AreaThresholds(areas);
  const at::Tensor scorer = FitImageScorer(features, areas, thresholds, 1, 0);
  const at::Tensor longer =
      FitImageScorer(features * 32, areas, thresholds, 1, 0);
  // 32 is a power of two: the same bits.
  EXPECT_TRUE(at::equal(LinearScores(features, scorer),
                        LinearScores(features * 32, longer)));
  const at::Tensor none =
      FitImageScorer(at::zeros({60, 5}), areas, thresholds, 1, 0);
  EXPECT_TRUE(at::isfinite(none).all().item<bool>());
}

// Three proposals an image; the second feature is their accuracy, the first is
// noise.
// By feature 0 alone, which is what a tiny C learns of the best item against
// the worst, the middle one comes first. A large C learns to use feature 1 too.
TEST(FitRankerTest, ChoosesThePenaltyThatPicksWell) {
  constexpr int64_t kImages = 12;
  const at::Tensor items = at::tensor({1.f, 1.f, 2.f, 0.f, 0.f, 1.f});
  const at::Tensor rows = items.view({3, 2}).repeat({kImages, 1});
  at::Tensor counts = at::zeros({3 * kImages, 2, 3}, at::kInt);
  for (int64_t i = 0; i < 3 * kImages; ++i) {
    const int64_t right = i % 3 == 0 ? 90 : i % 3 == 1 ? 60 : 20;
    counts[i].select(1, 0).fill_(right);
    counts[i].narrow(1, 1, 2).fill_(100 - right);
  }
  const std::vector<int64_t> sizes(kImages, 3);
  const auto pick = [&](const std::vector<double>& c) {
    RankConfig config;
    config.c = c;
    const at::Tensor ranker =
        FitRanker("ranker", rows, counts, sizes, 4, config, 0);
    return at::matmul(items.view({3, 2}).to(at::kDouble), ranker)
        .argmax()
        .item<int64_t>();
  };
  EXPECT_EQ(pick({1e-9}), 1);
  EXPECT_EQ(pick({100}), 0);
  EXPECT_EQ(pick({1e-9, 100}), 0);
  EXPECT_EQ(pick({100, 1e-9}), 0);
}

TEST(FitRankerTest, PicksTheBest) {
  at::manual_seed(3);
  constexpr int64_t kImages = 40;
  at::Tensor counts = at::zeros({3 * kImages, 2, 3}, at::kInt);
  at::Tensor rows = at::randn({3 * kImages, 2});
  for (int64_t i = 0; i < 3 * kImages; ++i) {
    const int64_t right = at::randint(1, 100, {1}).item<int64_t>();
    for (int64_t c = 0; c < 2; ++c) {
      counts[i][c][0] = right;
      counts[i][c][1] = 100 - right;
      counts[i][c][2] = 100 - right;
    }
    rows[i][1] = right / 30.0;
  }
  RankConfig config;
  config.c = {10};
  const std::vector<int64_t> sizes(kImages, 3);
  const at::Tensor ranker =
      FitRanker("ranker", rows, counts, sizes, 10, config, 0);
  ASSERT_EQ(ranker.numel(), 2);
  EXPECT_GT(ranker[1].item<double>(), 0);
  EXPECT_LT(ranker[0].abs().item<double>(), 0.2 * ranker[1].item<double>());
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
