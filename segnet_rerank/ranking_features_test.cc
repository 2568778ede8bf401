#include "segnet_rerank/ranking_features.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"
#include "segnet_rerank/chi_square_map.h"

namespace seg {
namespace segnet_rerank {
namespace {

// Shares of the classes where each cell is a pixel.
at::Tensor OneHot(const at::Tensor& labels, int64_t classes) {
  return labels.unsqueeze(1)
      .eq(at::arange(classes).view({1, classes, 1, 1}))
      .to(at::kFloat);
}

RankingInput MakeInput(const at::Tensor& labels, int64_t classes) {
  at::manual_seed(4);
  RankingInput input;
  input.labels = labels;
  input.shares = OneHot(labels, classes);
  input.coarse =
      at::softmax(at::randn({classes, labels.size(1), labels.size(2)}), 0);
  input.score = at::randn({labels.size(0)});
  input.class_scores = at::randn({classes - 1});
  input.size_scores = at::randn({classes - 1, 4});
  input.area_thresholds =
      std::get<0>(at::rand({classes - 1, 4}, at::kDouble).sort(1)) * 0.4;
  input.contours = at::rand({labels.size(1), labels.size(2)});
  return input;
}

at::Tensor RandomLabels(int64_t m, int64_t height, int64_t width,
                        int64_t classes) {
  at::manual_seed(8);
  return at::randint(0, classes, {m, height, width},
                     at::TensorOptions(at::kByte));
}

FeatureGroup GroupOf(const std::vector<FeatureGroup>& layout,
                     const std::string& name) {
  for (const FeatureGroup& group : layout) {
    if (group.name == name) return group;
  }
  ADD_FAILURE() << "no group " << name;
  return {};
}

// float32 [M, size of the group].
at::Tensor Group(const RankingInput& input, const std::string& name,
                 const RankingFeaturesOptions& options = {}) {
  const FeatureGroup group =
      GroupOf(FeatureLayout(input.coarse.size(0), options), name);
  return RankingFeatures(input, options).narrow(1, group.first, group.size);
}

TEST(FeatureLayoutTest, SizesOfThePaper) {
  RankingFeaturesOptions options;
  options.chi_square_maps = true;
  const auto layout = FeatureLayout(21, options);
  const auto size = [&](const char* name) {
    return GroupOf(layout, name).size;
  };
  EXPECT_EQ(size("segnet_kl"), 2);
  EXPECT_EQ(size("segnet_overlap"), 84);
  EXPECT_EQ(size("classification"), 20);
  EXPECT_EQ(size("size_classification"), 80);
  EXPECT_EQ(size("centroids"), 420);
  EXPECT_EQ(size("pair_mass"), 210);
  EXPECT_EQ(size("co_occurrence"), 210);
  EXPECT_EQ(size("contours"), 120);
  EXPECT_EQ(size("areas"), 21);
  EXPECT_EQ(size("pair_mass_chi_square"), 1050);
  EXPECT_EQ(size("co_occurrence_chi_square"), 1050);
  EXPECT_EQ(NumFeatures(layout), 3270);
  EXPECT_EQ(NumFeatures(FeatureLayout(21)), 1170);
}

TEST(FeatureLayoutTest, GroupsFollowOneAnother) {
  for (const int64_t classes : {1, 2, 5}) {
    int64_t next = 0;
    std::set<std::string> names;
    for (const FeatureGroup& group : FeatureLayout(classes)) {
      EXPECT_EQ(group.first, next);
      EXPECT_GE(group.size, 0);
      EXPECT_TRUE(names.insert(group.name).second) << group.name;
      next += group.size;
    }
    EXPECT_EQ(next, NumFeatures(FeatureLayout(classes)));
  }
}

TEST(FeatureLayoutTest, SectionsShareTheColumns) {
  const auto layout = FeatureLayout(3);
  const int64_t count = NumFeatures(layout);
  EXPECT_EQ(Values(ColumnsOfSections(layout, {1, 2, 3})),
            Values(at::arange(count)));
  // 2 + 12 of SegNet, then 2 + 8 of classification.
  EXPECT_EQ(Values(ColumnsOfSections(layout, {1})), Values(at::arange(14)));
  EXPECT_EQ(Values(ColumnsOfSections(layout, {2})), Values(at::arange(14, 24)));
  EXPECT_EQ(ColumnsOfSections(layout, {3, 1}).size(0), count - 10);
  EXPECT_EQ(ColumnsOfSections(layout, {}).size(0), 0);
}

TEST(RankingFeaturesTest, SegnetByHand) {
  // One cell of two classes: ph = (0.75, 0.25); q is class 0, then class 1.
  RankingInput input = MakeInput(
      at::tensor(std::vector<int64_t>{0, 1}).to(at::kByte).view({2, 1, 1}), 2);
  input.coarse = at::tensor({0.75f, 0.25f}).view({2, 1, 1});
  RankingFeaturesOptions options;
  options.smoothing = 0.1;
  options.least_intersection = 0.5;
  // (v + 0.1) / 1.2.
  const double p0 = 0.85 / 1.2, p1 = 0.35 / 1.2, q1 = 1.1 / 1.2, q0 = 0.1 / 1.2;
  const auto kl = [](double a, double b, double c, double d) {
    return a * std::log(a / c) + b * std::log(b / d);
  };
  const std::vector<double> found = Values(Group(input, "segnet_kl", options));
  EXPECT_NEAR(found[0], kl(p0, p1, q1, q0), 1e-6);
  EXPECT_NEAR(found[1], kl(q1, q0, p0, p1), 1e-6);
  EXPECT_NEAR(found[2], kl(p0, p1, q0, q1), 1e-6);
  EXPECT_NEAR(found[3], kl(q0, q1, p0, p1), 1e-6);
  // I, U, I / U, U / I; class 1 of the first: I = 0, U = 0.25, floor 0.5.
  const at::Tensor overlap = Group(input, "segnet_overlap", options);
  EXPECT_EQ(Values(overlap[0]),
            (std::vector<double>{0.75, 0, 1, 0.25, 0.75, 0, 1 / 0.75f, 0.5}));
  EXPECT_EQ(Values(overlap[1]),
            (std::vector<double>{0, 0.25, 0.75, 1, 0, 0.25, 1.5, 2}));
}

TEST(RankingFeaturesTest, OverlapWithoutAClassIsZero) {
  RankingInput input = MakeInput(at::zeros({1, 2, 2}, at::kByte), 2);
  input.coarse = input.shares[0].clone();
  EXPECT_EQ(Values(Group(input, "segnet_overlap")),
            (std::vector<double>{4, 0, 4, 0, 1, 0, 1, 0}));
  EXPECT_NEAR(Group(input, "segnet_kl").abs().sum().item<double>(), 0, 1e-9);
}

TEST(RankingFeaturesTest, ClassScoresAreTiedToTheProposal) {
  // Class 1 covers 1/8 and 1/2 of the proposals, class 2 none and 1/4.
  const at::Tensor labels =
      at::tensor(std::vector<int64_t>{0, 0, 0, 0, 0, 0, 0, 1,  //
                                      1, 1, 1, 1, 2, 2, 0, 0})
          .to(at::kByte)
          .view({2, 2, 4});
  RankingInput input = MakeInput(labels, 3);
  input.class_scores = at::tensor({-3.f, 4.f});
  input.size_scores =
      at::tensor({1.f, 2.f, 3.f, 4.f, 5.f, 6.f, 7.f, 8.f}).view({2, 4});
  const double inf = std::numeric_limits<double>::infinity();
  input.area_thresholds =
      at::tensor({0.1, 0.125, 0.3, 0.6, 0.0, 0.25, 0.26, inf}).view({2, 4});
  EXPECT_EQ(Values(Group(input, "classification")),
            (std::vector<double>{-3, 0, -3, 4}));
  EXPECT_EQ(Values(Group(input, "size_classification")),
            (std::vector<double>{1, 2, 0, 0, 0, 0, 0, 0,  //
                                 1, 2, 3, 0, 5, 6, 0, 0}));
}

// Where class 0 is no background it has scores as the others have.
TEST(RankingFeaturesTest, WithoutABackground) {
  RankingFeaturesOptions options;
  options.background = false;
  const at::Tensor labels =
      at::tensor(std::vector<int64_t>{0, 0, 0, 1, 1, 1, 1, 1})
          .to(at::kByte)
          .view({2, 1, 4});
  RankingInput input = MakeInput(labels, 2);
  ExpectError([&] { RankingFeatures(input, options); },
              "class_scores must be Float [2]");
  input.class_scores = at::tensor({-3.f, 4.f});
  input.size_scores =
      at::tensor({1.f, 2.f, 3.f, 4.f, 5.f, 6.f, 7.f, 8.f}).view({2, 4});
  input.area_thresholds =
      at::tensor({0.1, 0.75, 0.8, 0.9, 0.2, 0.25, 0.3, 1.0}).view({2, 4});
  EXPECT_EQ(Values(Group(input, "classification", options)),
            (std::vector<double>{-3, 4, 0, 4}));
  EXPECT_EQ(Values(Group(input, "size_classification", options)),
            (std::vector<double>{1, 2, 0, 0, 5, 6, 0, 0,  //
                                 0, 0, 0, 0, 5, 6, 7, 8}));
  // All else is the same.
  const auto with = FeatureLayout(2), without = FeatureLayout(2, options);
  EXPECT_EQ(NumFeatures(without), NumFeatures(with) + 5);
  input.class_scores = input.class_scores.slice(0, 1);
  input.size_scores = input.size_scores.slice(0, 1);
  input.area_thresholds = input.area_thresholds.slice(0, 1);
  EXPECT_EQ(Values(Group(input, "classification")),
            (std::vector<double>{4, 4}));
}

TEST(RankingFeaturesTest, WhatIsOursByHand) {
  const at::Tensor labels = at::tensor(std::vector<int64_t>{0, 0, 1, 1,  //
                                                            0, 1, 1, 1,  //
                                                            1, 1, 0, 0})
                                .to(at::kByte)
                                .view({3, 1, 4});
  RankingInput input = MakeInput(labels, 2);
  EXPECT_TRUE(at::equal(Group(input, "score").view(-1), input.score));
  EXPECT_EQ(Values(Group(input, "rank")),
            (std::vector<double>{1, 0.5, 1.0f / 3}));
  EXPECT_EQ(Values(Group(input, "areas")),
            (std::vector<double>{0.5, 0.5, 0.25, 0.75, 0.5, 0.5}));
  EXPECT_EQ(Values(Group(input, "distance_to_first")),
            (std::vector<double>{0, 0.25, 1}));
}

TEST(RankingFeaturesTest, MapsArePartOfTheOption) {
  RankingFeaturesOptions options;
  options.chi_square_maps = true;
  const RankingInput input = MakeInput(RandomLabels(3, 4, 5, 4), 4);
  const at::Tensor plain = RankingFeatures(input);
  const at::Tensor all = RankingFeatures(input, options);
  EXPECT_EQ(all.size(1), plain.size(1) + 2 * 5 * 6);
  EXPECT_TRUE(at::equal(all.narrow(1, 0, plain.size(1)), plain));
  for (const std::string name : {"pair_mass", "co_occurrence"}) {
    EXPECT_TRUE(at::allclose(Group(input, name + "_chi_square", options),
                             ChiSquareMap(Group(input, name)), 1e-4, 1e-6));
  }
}

// What an image has as a whole cancels: its score, its contours, its network
// output do not tell equal proposals apart.
TEST(RankingFeaturesTest, EqualProposalsDifferInTheirPlaceAlone) {
  const at::Tensor one = RandomLabels(1, 6, 7, 5);
  RankingInput input = MakeInput(one.repeat({4, 1, 1}), 5);
  input.score.fill_(0.5);
  const at::Tensor features = RankingFeatures(input);
  const FeatureGroup rank = GroupOf(FeatureLayout(5), "rank");
  for (int64_t m = 1; m < 4; ++m) {
    const at::Tensor differ = features[m].ne(features[0]).nonzero().view(-1);
    EXPECT_EQ(Values(differ),
              std::vector<double>{static_cast<double>(rank.first)});
  }
}

TEST(RankingFeaturesTest, ScoresOfAbsentClassesChangeNothing) {
  at::Tensor labels = RandomLabels(3, 6, 7, 3);  // of five classes
  RankingInput input = MakeInput(labels, 5);
  const at::Tensor before = RankingFeatures(input);
  input.class_scores.slice(0, 2).fill_(1e6);
  input.size_scores.slice(0, 2).fill_(std::numeric_limits<float>::quiet_NaN());
  EXPECT_TRUE(at::equal(RankingFeatures(input), before));
  // One of a class that is in some proposals changes these alone.
  input.labels = labels.clone();
  input.labels[1].clamp_max_(1);
  input.shares = OneHot(input.labels, 5);
  const at::Tensor first = RankingFeatures(input);
  input.class_scores[1] += 1;  // of class 2
  const at::Tensor second = RankingFeatures(input);
  EXPECT_EQ(Values(second.ne(first).sum(1)), (std::vector<double>{1, 0, 1}));
}

TEST(RankingFeaturesTest, AProposalsRowKnowsOnlyItselfAndTheFirst) {
  const at::Tensor labels = RandomLabels(4, 6, 7, 4);
  const RankingInput input = MakeInput(labels, 4);
  const at::Tensor before = RankingFeatures(input);
  RankingInput changed = input;
  changed.labels = labels.clone();
  changed.labels[2].fill_(3);
  changed.shares = OneHot(changed.labels, 4);
  const at::Tensor after = RankingFeatures(changed);
  EXPECT_EQ(Values(after.ne(before).any(1)), (std::vector<double>{0, 0, 1, 0}));
}

TEST(RankingFeaturesTest, SmallestInputs) {
  for (const int64_t classes : {1, 2, 21}) {
    const RankingInput input =
        MakeInput(at::full({1, 1, 1}, classes - 1, at::kByte), classes);
    RankingFeaturesOptions options;
    options.chi_square_maps = true;
    const at::Tensor features = RankingFeatures(input, options);
    EXPECT_EQ(
        features.sizes(),
        at::IntArrayRef({1, NumFeatures(FeatureLayout(classes, options))}));
    EXPECT_EQ(features.scalar_type(), at::kFloat);
    EXPECT_TRUE(features.isfinite().all().item<bool>());
  }
}

TEST(RankingFeaturesTest, AnyStrides) {
  RankingInput input = MakeInput(RandomLabels(3, 6, 7, 4), 4);
  const at::Tensor expected = RankingFeatures(input);
  input.labels = ColumnMajor(input.labels);
  input.shares = ChannelsLast(input.shares);
  input.coarse = ColumnMajor(input.coarse);
  input.size_scores = Sparse(input.size_scores);
  input.area_thresholds = Sparse(input.area_thresholds);
  input.contours = Sparse(input.contours);
  EXPECT_TRUE(at::allclose(RankingFeatures(input), expected));
}

TEST(RankingFeaturesTest, Errors) {
  const RankingInput good = MakeInput(RandomLabels(2, 3, 4, 3), 3);
  const auto expect = [&](at::Tensor RankingInput::*field, const at::Tensor& x,
                          const std::string& message) {
    RankingInput input = good;
    input.*field = x;
    ExpectError([&] { RankingFeatures(input); }, message);
  };
  expect(
      &RankingInput::shares, at::zeros({2, 4, 3, 4}),
      "shares must be Float [2, 3, 3, 4] on the CPU, got Float [2, 4, 3, 4]");
  expect(&RankingInput::score, at::zeros({2}, at::kDouble),
         "score must be Float [2]");
  expect(&RankingInput::score, at::Tensor(), "score is missing");
  expect(&RankingInput::class_scores, at::zeros({3}),
         "class_scores must be Float [2]");
  expect(&RankingInput::size_scores, at::zeros({2, 3}),
         "size_scores must be Float [2, 4]");
  expect(&RankingInput::area_thresholds, at::zeros({2, 4}),
         "area_thresholds must be Double [2, 4]");
  expect(&RankingInput::contours, at::zeros({4, 3}),
         "contours must be Float [3, 4]");
  expect(&RankingInput::labels, good.labels + 1,
         "labels must be below 3, got 3");
  expect(&RankingInput::labels, at::zeros({0, 3, 4}, at::kByte),
         "labels must be [M,H,W], not empty");
  expect(&RankingInput::coarse, at::Tensor(), "coarse must be [C,g,g]");
  RankingFeaturesOptions options;
  options.smoothing = 0;
  ExpectError([&] { RankingFeatures(good, options); },
              "smoothing and least_intersection must be above 0, got 0");
  ExpectError([] { FeatureLayout(0); }, "classes must be at least 1");
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
