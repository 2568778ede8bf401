#include "segnet_rerank/o2p/div_m_best.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "common/config/config.h"
#include "common/testing/status_matchers.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace segnet_rerank {
namespace {

using Choice = std::vector<PaintedRegion>;
using Pairs = std::set<std::pair<int64_t, int64_t>>;

Pairs PairsOf(const Choice& choice) {
  Pairs pairs;
  for (const PaintedRegion& painted : choice) {
    pairs.insert({painted.region, painted.label});
  }
  return pairs;
}

std::vector<Pairs> AllPairs(const std::vector<Choice>& choices) {
  std::vector<Pairs> all;
  for (const Choice& choice : choices) all.push_back(PairsOf(choice));
  return all;
}

at::Tensor Scores(int64_t regions, int64_t labels, int64_t seed) {
  at::manual_seed(seed);
  return at::rand({regions, labels}, at::kDouble) * 0.5;
}

DivMBestConfig Config(Diversity diversity, int64_t proposals,
                      double lambda = 0.08) {
  DivMBestConfig config;
  config.diversity = diversity;
  config.proposals = proposals;
  config.lambda = lambda;
  return config;
}

// One superpixel a region.
Regions SeparateRegions(int64_t number) {
  Regions regions;
  regions.superpixels =
      at::arange(std::max<int64_t>(number, 1), at::kInt).view({1, -1});
  regions.members = at::eye(number, at::kByte);
  if (number == 0) regions.members = at::zeros({0, 1}, at::kByte);
  regions.score = at::zeros({number});
  return regions;
}

// The released recipe to the letter: a background score for each region, and
// pasting as in pasting_test.cc.
std::vector<Pairs> Recipe(const at::Tensor& scores,
                          const PastingConfig& pasting, int64_t proposals,
                          double lambda) {
  const int64_t regions = scores.size(0), labels = scores.size(1);
  at::Tensor now = scores.clone();
  std::vector<double> background(regions, pasting.threshold);
  std::vector<Pairs> result;
  for (int64_t m = 0; m < proposals; ++m) {
    Choice best;
    for (int64_t r = 0; r < regions; ++r) {
      best.push_back({r, 0, background[r]});
      for (int64_t l = 0; l < labels; ++l) {
        const double score = now[r][l].item<double>();
        if (score > best[r].score) best[r] = {r, l + 1, score};
      }
    }
    std::stable_sort(best.begin(), best.end(),
                     [](const PaintedRegion& a, const PaintedRegion& b) {
                       return a.score > b.score;
                     });
    best.resize(std::min<size_t>(best.size(), pasting.most_regions));
    const double highest =
        *std::max_element(background.begin(), background.end());
    std::fill(background.begin(), background.end(), pasting.threshold - lambda);
    Pairs pairs;
    double k = 0;
    for (const PaintedRegion& region : best) {
      if (region.label == 0) continue;
      if (region.score > highest + pasting.simplicity_bias * k++) {
        pairs.insert({region.region, region.label});
        now[region.region][region.label - 1] -= lambda;
        background[region.region] = pasting.threshold;
      }
    }
    result.push_back(pairs);
  }
  return result;
}

TEST(DivMBestTest, HandCase) {
  const at::Tensor scores =
      at::tensor({0.5, 0.45, 0.07}, at::kDouble).view({3, 1});
  PastingConfig pasting;
  pasting.most_regions = 1;
  const std::vector<Choice> choices =
      DiverseChoices(scores, pasting, Config(Diversity::kDivMBest, 9, 0.2), 0);
  // Region 2 has 0.07, the others 0.50 0.45 | 0.30 0.45 | 0.30 0.25 | 0.10 0.25
  // | 0.10 0.05: nothing, and the threshold falls to 0 once | region 0 |
  // nothing | region 2 | nothing
  const std::vector<Pairs> expected = {
      {{0, 1}}, {{1, 1}}, {{0, 1}}, {{1, 1}}, {}, {{0, 1}}, {}, {{2, 1}}, {}};
  EXPECT_EQ(AllPairs(choices), expected);
  EXPECT_EQ(choices[2][0].score, 0.5);  // as given
}

TEST(DivMBestTest, WhatWasNotPaintedGains) {
  const at::Tensor scores = at::tensor({0.5, 0.1}, at::kDouble).view({2, 1});
  // Advantages over the background 0.30 -0.10 | 0.14 0.06 | -0.02 -0.10 | 0.14
  // 0.06: with a lambda of 0.16, also of the background where it was the label.
  EXPECT_EQ(
      AllPairs(
          DiverseChoices(scores, {}, Config(Diversity::kHamming, 4, 0.16), 0)),
      (std::vector<Pairs>{{{0, 1}}, {{0, 1}, {1, 1}}, {}, {{0, 1}, {1, 1}}}));
}

// Of the definition: a row of scores a region, the background's first; lambda
// comes off each label that a region had.
TEST(DivMBestTest, IsDivMBestOnRegions) {
  for (int64_t seed = 0; seed < 20; ++seed) {
    const at::Tensor scores = Scores(2 + seed, 1 + seed % 3, seed);
    PastingConfig pasting;
    pasting.most_regions = 1 + seed % 4;
    constexpr double kLambda = 0.07;
    const std::vector<Choice> choices = DiverseChoices(
        scores, pasting, Config(Diversity::kHamming, 8, kLambda), 0);
    at::Tensor now =
        at::cat(
            {at::full({scores.size(0), 1}, pasting.threshold, scores.options()),
             scores},
            1)
            .to(at::kDouble);
    PastingConfig relative = pasting;
    relative.threshold = 0;
    for (const Choice& choice : choices) {
      const at::Tensor advantage =
          now.narrow(1, 1, scores.size(1)) - now.narrow(1, 0, 1);
      EXPECT_EQ(PairsOf(choice), PairsOf(ChooseRegions(advantage, relative)))
          << seed;
      at::Tensor label = at::zeros({scores.size(0)}, at::kLong);
      for (const PaintedRegion& painted : choice) {
        label[painted.region] = painted.label;
      }
      now.scatter_add_(1, label.unsqueeze(1),
                       at::full({scores.size(0), 1}, -kLambda, at::kDouble));
    }
  }
}

TEST(DivMBestTest, IsTheReleasedRecipe) {
  for (int64_t seed = 0; seed < 20; ++seed) {
    const at::Tensor scores = Scores(1 + seed, 1 + seed % 4, seed);
    PastingConfig pasting;
    pasting.most_regions = 1 + seed % 4;
    for (const double lambda : {0.0, 0.03, 0.08, 5.0}) {
      EXPECT_EQ(
          AllPairs(DiverseChoices(scores, pasting,
                                  Config(Diversity::kDivMBest, 12, lambda), 0)),
          Recipe(scores, pasting, 12, lambda))
          << seed << " " << lambda;
    }
  }
}

TEST(DivMBestTest, TheFirstIsPlainPasting) {
  for (int64_t seed = 0; seed < 5; ++seed) {
    const at::Tensor scores = Scores(10, 3, seed);
    const Pairs plain = PairsOf(ChooseRegions(scores, {}));
    for (const Diversity diversity : {Diversity::kHamming, Diversity::kDivMBest,
                                      Diversity::kPerturb, Diversity::kMBest}) {
      for (const int64_t proposals : {1, 4}) {
        const std::vector<Choice> choices =
            DiverseChoices(scores, {}, Config(diversity, proposals), 1);
        ASSERT_EQ(choices.size(), static_cast<size_t>(proposals));
        EXPECT_EQ(PairsOf(choices[0]), plain);
      }
    }
  }
}

TEST(DivMBestTest, NoLambdaAndNoNoiseGiveCopies) {
  const at::Tensor scores = Scores(10, 3, 1);
  DivMBestConfig config = Config(Diversity::kDivMBest, 5, 0.0);
  config.perturbation = 0.0;
  for (const Diversity diversity :
       {Diversity::kHamming, Diversity::kDivMBest, Diversity::kPerturb}) {
    config.diversity = diversity;
    const std::vector<Pairs> all =
        AllPairs(DiverseChoices(scores, {}, config, 3));
    EXPECT_EQ(all, std::vector<Pairs>(5, all[0]));
  }
}

TEST(DivMBestTest, MoreLambdaMoreDistance) {
  for (int64_t seed = 0; seed < 20; ++seed) {
    const at::Tensor scores = Scores(12, 3, seed);
    size_t before = std::numeric_limits<size_t>::max();
    for (const double lambda : {0.0, 0.01, 0.03, 0.08, 0.2, 10.0}) {
      const std::vector<Pairs> all = AllPairs(DiverseChoices(
          scores, {}, Config(Diversity::kDivMBest, 2, lambda), 0));
      Pairs both;
      std::set_intersection(all[0].begin(), all[0].end(), all[1].begin(),
                            all[1].end(), std::inserter(both, both.end()));
      EXPECT_LE(both.size(), before) << seed << " " << lambda;
      before = both.size();
    }
    EXPECT_EQ(before, 0u);  // all differ
  }
}

TEST(DivMBestTest, LabellingsAndTheirScores) {
  const at::Tensor scores = Scores(6, 2, 4).to(at::kFloat);
  const Regions regions = SeparateRegions(6);
  for (const Diversity diversity : {Diversity::kHamming, Diversity::kDivMBest,
                                    Diversity::kPerturb, Diversity::kMBest}) {
    const DivMBestConfig config = Config(diversity, 7);
    const Proposals proposals = DivMBest(scores, regions, {}, config, 2);
    ASSERT_EQ(proposals.labels.sizes(), at::IntArrayRef({7, 1, 6}));
    ASSERT_EQ(proposals.labels.scalar_type(), at::kByte);
    ASSERT_EQ(proposals.score.sizes(), at::IntArrayRef({7}));
    ASSERT_EQ(proposals.score.scalar_type(), at::kFloat);
    for (int64_t m = 0; m < 7; ++m) {
      double sum = 0.0;  // region r is pixel r
      for (int64_t r = 0; r < 6; ++r) {
        const int64_t label = proposals.labels[m][0][r].item<int64_t>();
        if (label > 0) sum += scores[r][label - 1].item<double>();
      }
      EXPECT_NEAR(proposals.score[m].item<double>(), sum, 1e-6);
    }
  }
}

TEST(DivMBestTest, NoiseIsAFunctionOfTheKey) {
  const at::Tensor scores = Scores(30, 3, 4);
  const DivMBestConfig config = Config(Diversity::kPerturb, 8);
  const auto with = [&](uint64_t key) {
    return AllPairs(DiverseChoices(scores, {}, config, key));
  };
  EXPECT_EQ(with(1), with(1));
  EXPECT_NE(with(1), with(2));
  EXPECT_NE(with(1)[1], with(1)[2]);
  // More proposals begin with the same ones.
  const std::vector<Pairs> more =
      AllPairs(DiverseChoices(scores, {}, Config(Diversity::kPerturb, 20), 1));
  EXPECT_EQ(std::vector<Pairs>(more.begin(), more.begin() + 8), with(1));
}

// The values of all sets of pairs, greatest first.
std::vector<double> AllValues(const at::Tensor& scores,
                              const PastingConfig& pasting) {
  std::vector<double> values;
  std::vector<double> chosen;
  const std::function<void(int64_t)> extend = [&](int64_t region) {
    if (region == scores.size(0)) {
      double value = 0.0;
      for (size_t k = 0; k < chosen.size(); ++k) {
        value += chosen[k] - pasting.threshold -
                 pasting.simplicity_bias * static_cast<double>(k);
      }
      values.push_back(value);
      return;
    }
    extend(region + 1);
    if (static_cast<int64_t>(chosen.size()) == pasting.most_regions) return;
    for (int64_t l = 0; l < scores.size(1); ++l) {
      chosen.push_back(scores[region][l].item<double>());
      extend(region + 1);
      chosen.pop_back();
    }
  };
  extend(0);
  std::sort(values.rbegin(), values.rend());
  return values;
}

TEST(MBestTest, AreTheBestOfAll) {
  for (int64_t seed = 0; seed < 8; ++seed) {
    const at::Tensor scores = Scores(1 + seed % 5, 1 + seed % 3, seed);
    PastingConfig pasting;
    pasting.most_regions = 1 + seed % 3;
    const std::vector<double> values = AllValues(scores, pasting);
    for (const size_t most : {size_t{1}, size_t{6}, values.size() + 2}) {
      const std::vector<Choice> choices = DiverseChoices(
          scores, pasting,
          Config(Diversity::kMBest, static_cast<int64_t>(most)), 0);
      ASSERT_EQ(choices.size(), most);
      const size_t different = std::min(most, values.size());
      std::set<Pairs> seen;
      for (size_t m = 0; m < most; ++m) {
        if (m >= different) {  // there are no more
          EXPECT_EQ(PairsOf(choices[m]), PairsOf(choices[0]));
          continue;
        }
        double value = 0.0, k = 0.0;
        std::set<int64_t> regions;
        for (const PaintedRegion& painted : choices[m]) {
          value +=
              painted.score - pasting.threshold - pasting.simplicity_bias * k++;
          EXPECT_TRUE(regions.insert(painted.region).second);
        }
        EXPECT_NEAR(value, values[m], 1e-12) << seed << " " << m;
        EXPECT_TRUE(seen.insert(PairsOf(choices[m])).second);
        EXPECT_TRUE(
            std::is_sorted(choices[m].begin(), choices[m].end(),
                           [](const PaintedRegion& a, const PaintedRegion& b) {
                             return a.score > b.score;
                           }));
      }
    }
  }
}

TEST(DivMBestTest, Empty) {
  for (const Diversity diversity : {Diversity::kHamming, Diversity::kDivMBest,
                                    Diversity::kPerturb, Diversity::kMBest}) {
    const DivMBestConfig config = Config(diversity, 3);
    for (const int64_t labels : {0, 4}) {
      const Proposals none =
          DivMBest(at::zeros({0, labels}), SeparateRegions(0), {}, config, 0);
      EXPECT_EQ(Values(none.labels), (std::vector<double>{0, 0, 0}));
      EXPECT_EQ(Values(none.score), (std::vector<double>{0, 0, 0}));
    }
    Regions regions;  // of an image without pixels
    regions.superpixels = at::zeros({0, 5}, at::kInt);
    regions.members = at::zeros({2, 0}, at::kByte);
    EXPECT_EQ(DivMBest(Scores(2, 2, 1), regions, {}, config, 0).labels.sizes(),
              at::IntArrayRef({3, 0, 5}));
  }
}

TEST(DivMBestTest, Errors) {
  const at::Tensor scores = Scores(3, 2, 1);
  ExpectError(
      [&] {
        DivMBest(scores, SeparateRegions(4), {},
                 Config(Diversity::kDivMBest, 2), 0);
      },
      "expected a row of scores for each region, got scores [3, 2] and members "
      "[4, 4]");
  ExpectError(
      [&] { DiverseChoices(scores, {}, Config(Diversity::kMBest, 0), 0); },
      "proposals must be >= 1, got 0");
  ExpectError(
      [&] { DiverseChoices(scores, {}, Config(Diversity::kMBest, 2, -1), 0); },
      "lambda and perturbation must be finite and >= 0, got -1");
  for (const Diversity diversity : {Diversity::kHamming, Diversity::kDivMBest,
                                    Diversity::kPerturb, Diversity::kMBest}) {
    const at::Tensor infinite = scores / 0.0;
    ExpectError([&] { DiverseChoices(infinite, {}, Config(diversity, 2), 0); },
                "scores must be finite, got inf");
    ExpectError([&] { DiverseChoices(scores[0], {}, Config(diversity, 2), 0); },
                "scores must be float32 or float64 [R,C-1]");
  }
}

TEST(DivMBestTest, ConfigBindsToYaml) {
  DivMBestConfig config;
  ASSERT_OK(ParseConfig("diversity: m_best\nproposals: 10\n", "test.yaml",
                        {"lambda=0.1"}, &config));
  EXPECT_EQ(config.diversity, Diversity::kMBest);
  EXPECT_EQ(config.proposals, 10);
  EXPECT_EQ(config.lambda, 0.1);
  EXPECT_FALSE(ParseConfig("diversity: most\n", "test.yaml", {}, &config).ok());
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
