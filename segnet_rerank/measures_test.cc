#include "segnet_rerank/measures.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/metrics/confusion_matrix.h"
#include "common/testing/status_matchers.h"
#include "common/testing/torch_errors.h"
#include "segnet_rerank/proposal_accuracy.h"

namespace seg {
namespace segnet_rerank {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kClasses = 3;

DatasetInfo Info() {
  DatasetInfo info;
  info.name = "toy";
  info.class_names = {"background", "cat", "dog"};
  info.palette = {{{0, 0, 0}}, {{255, 0, 0}}, {{0, 255, 0}}};
  return info;
}

struct Row {
  Proposals proposals;
  at::Tensor coarse;
  std::vector<int64_t> picks;
};

class ToySource : public ProposalSource {
 public:
  const Proposals& proposals(int64_t row) const override {
    return rows.at(row).proposals;
  }
  const at::Tensor& coarse(int64_t row) const override {
    return rows.at(row).coarse;
  }
  const std::vector<int64_t>& picks(int64_t row) const override {
    return rows.at(row).picks;
  }
  std::vector<Row> rows;
};

Row MakeRow(const at::Tensor& labels, std::vector<int64_t> picks) {
  Row row;
  row.proposals = {labels, at::arange(labels.size(0), at::kFloat)};
  row.coarse = at::zeros({kClasses, 2, 2});
  row.coarse[1].fill_(1);
  row.picks = std::move(picks);
  return row;
}

at::Tensor RandomLabels(int64_t m, int64_t seed) {
  at::manual_seed(seed);
  return at::randint(0, kClasses, {m, 6, 8}, at::TensorOptions(at::kByte));
}

// An image of the truth, in row 1 of its batch.
absl::Status AddImage(const at::Tensor& truth, const Row& row,
                      ToySource* source, ProposalScores* scores) {
  Sample sample;
  sample.id = "toy";
  sample.mask = truth;
  sample.image = at::zeros({3, truth.size(0), truth.size(1)}, at::kByte);
  source->rows = {Row(), row};
  const Batch batch;
  const Prediction prediction;
  return scores->Add({sample, batch, prediction, 0, 1});
}

Findings Finish(ProposalScores* scores) {
  Findings findings;
  EXPECT_OK(scores->Finish(&findings));
  return findings;
}

TEST(ProposalScoresTest, ByHand) {
  ToySource source;
  ProposalScores scores(Info(), &source, {"pick", "one_best"});
  // Truth 0 0 1 1: half right, all right, all background.
  const at::Tensor truth = at::tensor(std::vector<int64_t>{0, 0, 1, 1, 255})
                               .to(at::kByte)
                               .view({1, 5});
  const at::Tensor labels = at::tensor(std::vector<int64_t>{0, 1, 0, 1, 2,  //
                                                            0, 0, 1, 1, 2,  //
                                                            0, 0, 0, 0, 0})
                                .to(at::kByte)
                                .view({3, 1, 5});
  ASSERT_OK(AddImage(truth, MakeRow(labels, {2, 0}), &source, &scores));
  const Findings findings = Finish(&scores);
  const Metrics& found = findings.scalars;
  EXPECT_DOUBLE_EQ(found.at("oracle_iou_1"), 1.0 / 3);
  EXPECT_EQ(found.count("oracle_iou_5"), 0u);
  EXPECT_DOUBLE_EQ(found.at("oracle_iou"), 1);
  EXPECT_DOUBLE_EQ(found.at("oracle_accuracy"), 1);
  EXPECT_DOUBLE_EQ(found.at("proposals"), 3);
  EXPECT_DOUBLE_EQ(found.at("true_background_share"), 0.5);
  EXPECT_DOUBLE_EQ(found.at("pick_accuracy"), 0.25);
  EXPECT_DOUBLE_EQ(found.at("oracle_gap"), 0.75);
  EXPECT_DOUBLE_EQ(found.at("pick_position"), 3);
  EXPECT_DOUBLE_EQ(found.at("pick_rank"), 3);
  EXPECT_DOUBLE_EQ(found.at("background_share"), 1);
  EXPECT_DOUBLE_EQ(found.at("one_best/pick_accuracy"), 1.0 / 3);
  EXPECT_DOUBLE_EQ(found.at("one_best/pick_position"), 1);
  EXPECT_DOUBLE_EQ(found.at("one_best/pick_rank"), 2);
  EXPECT_DOUBLE_EQ(found.at("one_best/background_share"), 0.5);
  EXPECT_EQ(findings.json.at("oracle_iou_by_number"),
            nlohmann::json({1.0 / 3, 1.0, 1.0}));
  ASSERT_EQ(findings.tables.size(), 1u);
  EXPECT_THAT(findings.tables[0], HasSubstr("best of 3"));
  EXPECT_THAT(findings.tables[0], HasSubstr("one_best"));
  EXPECT_TRUE(findings.report.pictures.empty());
  ASSERT_EQ(findings.report.charts.size(), 1u);
  EXPECT_EQ(findings.report.charts[0].series.size(), 3u);
}

// Images with different numbers of proposals, against a confusion matrix of
// what each number of proposals lets the oracle pick.
TEST(ProposalScoresTest, MatchesBruteForceOverACorpus) {
  ToySource source;
  ProposalScores scores(Info(), &source, {"pick"});
  constexpr int64_t kMost = 12;
  std::vector<ConfusionMatrix> oracle(kMost, ConfusionMatrix(kClasses));
  std::vector<double> accuracy(kMost, 0.0);
  const std::vector<int64_t> numbers = {2, 12, 5, 1};
  for (size_t image = 0; image < numbers.size(); ++image) {
    at::Tensor truth = RandomLabels(1, 40 + image)[0].clone();
    truth[5].fill_(255);
    at::Tensor labels = RandomLabels(numbers[image], 60 + image);
    labels[numbers[image] / 2].slice(0, 0, 3).copy_(
        truth.slice(0, 0, 3));  // one is better
    for (int64_t k = 0; k < kMost; ++k) {
      double best = -1;
      int64_t pick = 0;
      for (int64_t m = 0; m < std::min(k + 1, numbers[image]); ++m) {
        ConfusionMatrix own(kClasses);
        own.Add(labels[m], truth);
        if (own.MeanIou() <= best) continue;
        best = own.MeanIou();
        pick = m;
      }
      oracle[k].Add(labels[pick], truth);
      accuracy[k] += best / static_cast<double>(numbers.size());
    }
    ASSERT_OK(AddImage(truth, MakeRow(labels, {numbers[image] - 1}), &source,
                       &scores));
  }
  const Findings findings = Finish(&scores);
  const Metrics& found = findings.scalars;
  EXPECT_DOUBLE_EQ(found.at("oracle_iou_1"), oracle[0].MeanIou());
  EXPECT_DOUBLE_EQ(found.at("oracle_iou_5"), oracle[4].MeanIou());
  EXPECT_DOUBLE_EQ(found.at("oracle_gain_5"),
                   oracle[4].MeanIou() / oracle[0].MeanIou() - 1);
  EXPECT_DOUBLE_EQ(found.at("oracle_iou_10"), oracle[9].MeanIou());
  EXPECT_DOUBLE_EQ(found.at("oracle_iou"), oracle[11].MeanIou());
  EXPECT_EQ(found.count("oracle_iou_20"), 0u);
  EXPECT_NEAR(found.at("oracle_accuracy"), accuracy[11], 1e-12);
  EXPECT_LE(found.at("pick_accuracy"), found.at("oracle_accuracy"));
  EXPECT_DOUBLE_EQ(found.at("pick_position"), 5);
  EXPECT_DOUBLE_EQ(found.at("proposals"), 5);
  for (int64_t k = 0; k < kMost; ++k) {
    EXPECT_DOUBLE_EQ(findings.json.at("oracle_iou_by_number")[k].get<double>(),
                     oracle[k].MeanIou());
    if (k > 0) {
      EXPECT_GE(accuracy[k], accuracy[k - 1]);
    }
  }
}

// Of the classes one is chosen, and class 0 is no background.
TEST(ProposalScoresTest, ChosenClassesWithoutABackground) {
  ToySource source;
  ProposalScoresOptions options;
  options.background = false;
  options.chosen = {1, 2};
  ProposalScores scores(Info(), &source, {"pick"}, options);
  ConfusionMatrix first(kClasses), best(kClasses);
  for (int64_t image = 0; image < 3; ++image) {
    const at::Tensor truth = RandomLabels(1, 20 + image)[0];
    const at::Tensor labels = RandomLabels(6, 30 + image);
    const at::Tensor accuracies =
        ProposalAccuracies(CountByClass(labels, truth, kClasses));
    first.Add(labels[0], truth);
    best.Add(labels[OraclePick(accuracies, 5)], truth);
    ASSERT_OK(AddImage(truth, MakeRow(labels, {0}), &source, &scores));
  }
  const Findings findings = Finish(&scores);
  const auto mean = [](const ConfusionMatrix& counts) {
    return (counts.Iou()[1] + counts.Iou()[2]) / 2;
  };
  const Metrics& found = findings.scalars;
  EXPECT_DOUBLE_EQ(found.at("oracle_chosen_iou_1"), mean(first));
  EXPECT_DOUBLE_EQ(found.at("oracle_chosen_iou_5"), mean(best));
  EXPECT_DOUBLE_EQ(found.at("oracle_chosen_gain_5"),
                   mean(best) / mean(first) - 1);
  EXPECT_DOUBLE_EQ(found.at("oracle_iou_5"), best.MeanIou());
  EXPECT_EQ(found.count("background_share"), 0u);
  EXPECT_EQ(found.count("true_background_share"), 0u);
  EXPECT_THAT(findings.tables[0], testing::Not(HasSubstr("background")));
  EXPECT_THAT(findings.tables[0], testing::Not(HasSubstr("truth")));
}

TEST(ProposalScoresTest, NothingIsAboveTheOracle) {
  for (int64_t pick = 0; pick < 4; ++pick) {
    ToySource source;
    ProposalScores scores(Info(), &source, {"pick"});
    for (int64_t image = 0; image < 3; ++image) {
      ASSERT_OK(AddImage(RandomLabels(1, 20 + image)[0],
                         MakeRow(RandomLabels(4, 30 + image), {pick}), &source,
                         &scores));
    }
    const Metrics found = Finish(&scores).scalars;
    EXPECT_LE(found.at("pick_accuracy"), found.at("oracle_accuracy"));
    EXPECT_DOUBLE_EQ(found.at("pick_position"), pick + 1);
    EXPECT_GE(found.at("pick_rank"), 1);
    EXPECT_LE(found.at("pick_rank"), 4);
  }
}

TEST(ProposalScoresTest, TheOraclesPickHasRankOne) {
  ToySource source;
  ProposalScores scores(Info(), &source, {"pick"});
  for (int64_t image = 0; image < 3; ++image) {
    const at::Tensor truth = RandomLabels(1, 20 + image)[0];
    const at::Tensor labels = RandomLabels(6, 30 + image);
    const int64_t best = OraclePick(
        ProposalAccuracies(CountByClass(labels, truth, kClasses)), 6);
    ASSERT_OK(AddImage(truth, MakeRow(labels, {best}), &source, &scores));
  }
  const Metrics found = Finish(&scores).scalars;
  EXPECT_DOUBLE_EQ(found.at("pick_rank"), 1);
  EXPECT_DOUBLE_EQ(found.at("oracle_gap"), 0);
  EXPECT_DOUBLE_EQ(found.at("pick_accuracy"), found.at("oracle_accuracy"));
}

TEST(ProposalScoresTest, WithoutAKnownPixelNothingIsFound) {
  ToySource source;
  ProposalScores scores(Info(), &source, {"pick"});
  ASSERT_OK(AddImage(at::full({6, 8}, 255, at::kByte),
                     MakeRow(RandomLabels(2, 1), {1}), &source, &scores));
  const Findings findings = Finish(&scores);
  for (const char* name : {"oracle_iou", "oracle_accuracy", "pick_accuracy",
                           "oracle_gap", "background_share", "proposals"}) {
    EXPECT_TRUE(std::isnan(findings.scalars.at(name))) << name;
  }
  EXPECT_TRUE(ToJson(findings)["oracle_iou_by_number"].empty());
  EXPECT_TRUE(findings.report.charts.empty());
}

TEST(ProposalScoresTest, Pictures) {
  ToySource source;
  ProposalScoresOptions options;
  options.pictures = 2;
  ProposalScores scores(Info(), &source, {"pick"}, options);
  for (int64_t image = 0; image < 3; ++image) {
    ASSERT_OK(AddImage(RandomLabels(1, image)[0],
                       MakeRow(RandomLabels(7, 5 + image), {6}), &source,
                       &scores));
  }
  const Findings findings = Finish(&scores);
  ASSERT_EQ(findings.report.pictures.size(), 2u);
  const ReportPicture& picture = findings.report.pictures[0];
  ASSERT_EQ(picture.panels.size(), 3u + 5 + 2);
  EXPECT_EQ(picture.panels[2].label, "coarse");
  EXPECT_EQ(picture.panels[4].label, "2: 1");
  EXPECT_EQ(picture.panels[8].label, "pick: 7");
  for (const ReportPanel& panel : picture.panels) {
    EXPECT_EQ(panel.rgb.sizes(), at::IntArrayRef({3, 6, 8})) << panel.label;
  }
}

TEST(ProposalScoresTest, Errors) {
  const auto add = [](const Row& row) {
    ToySource source;
    ProposalScores scores(Info(), &source, {"pick"});
    return AddImage(RandomLabels(1, 2)[0], row, &source, &scores);
  };
  EXPECT_THAT(add(MakeRow(RandomLabels(3, 1), {3})),
              StatusIs(absl::StatusCode::kInternal,
                       HasSubstr("toy: pick 3 is none of 3 proposals")));
  EXPECT_THAT(add(MakeRow(RandomLabels(3, 1), {0, 1})),
              StatusIs(absl::StatusCode::kInternal,
                       HasSubstr("expected 1 picks, got 2")));
  EXPECT_THAT(add(MakeRow(RandomLabels(3, 1).slice(1, 1), {0})),
              StatusIs(absl::StatusCode::kInternal,
                       HasSubstr("no proposals of its size")));
  Row row = MakeRow(RandomLabels(3, 1), {0});
  row.proposals.score = at::zeros({2});
  EXPECT_THAT(add(row), StatusIs(absl::StatusCode::kInternal,
                                 HasSubstr("must have a score")));
  ToySource source;
  ExpectError([&] { ProposalScores(Info(), &source, {}); }, "no method");
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
