#include "common/evaluation/evaluate.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/evaluation/segmentation_scores.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Grey images whose brightness is their label: 0 dark, 1 bright.
class ToyDataset : public Dataset {
 public:
  explicit ToyDataset(int64_t size, int64_t scale = 1)
      : size_(size), scale_(scale) {
    info_.name = "toy";
    info_.class_names = {"dark", "bright"};
    info_.palette = {{{0, 0, 0}}, {{255, 0, 0}}};
  }
  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return size_; }
  std::string id(int64_t index) const override {
    return "toy" + std::to_string(index);
  }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    Sample sample;
    sample.id = id(index);
    sample.mask = at::zeros({6, 8}, at::kByte);
    sample.mask.slice(1, 4, 8).fill_(1);
    sample.mask.slice(0, 5, 6).fill_(255);  // the last row is ignored
    sample.mask = sample.mask.repeat_interleave(scale_, 0)
                      .repeat_interleave(scale_, 1)
                      .contiguous();
    const at::Tensor grey = sample.mask.eq(1).to(at::kByte) * 200;
    sample.image = grey.unsqueeze(0).repeat({3, 1, 1});
    sample.points = points_;
    return sample;
  }

  DatasetInfo info_;
  at::Tensor points_;  // of every sample

 private:
  int64_t size_;
  int64_t scale_;
};

// The first output is right; the second calls every pixel dark.
std::vector<at::Tensor> Predict(const Batch& batch) {
  const at::Tensor bright = batch.images.select(1, 0).unsqueeze(1) / 255;
  return {at::cat({1 - bright, bright}, 1),
          at::cat({at::ones_like(bright), at::zeros_like(bright)}, 1)};
}

const std::vector<std::string> kNames = {"good", "dark"};

Measures Scores(const DatasetInfo& info, SegmentationScoresOptions options) {
  Measures measures;
  measures.push_back(
      std::make_unique<SegmentationScores>(info, kNames, std::move(options)));
  return measures;
}

SegmentationScoresOptions Options(int64_t pictures = 0) {
  SegmentationScoresOptions options = ScoresAt(Moment::kEval, pictures);
  options.by_image = true;
  return options;
}

// What SegmentationScores finds of `predict`.
absl::StatusOr<Findings> Score(const Dataset& dataset,
                               const ProbabilitiesFn& predict = Predict,
                               int64_t pictures = 0) {
  FunctionPredictor predictor(kNames, predict);
  return Evaluate(dataset, predictor, Scores(dataset.info(), Options(pictures)),
                  {});
}

// Counts what it is shown, and needs no masks.
class Counter : public Measure {
 public:
  bool needs_masks() const override { return false; }
  absl::Status Add(const Scored& image) override {
    EXPECT_EQ(image.index, static_cast<int64_t>(ids.size()));
    EXPECT_EQ(image.batch.ids[0], image.sample.id);
    EXPECT_EQ(image.batch.images.size(0), 1);
    EXPECT_EQ(image.prediction.labels[0].sizes(),
              image.batch.images.select(1, 0).sizes());
    rows.push_back(image.row);
    ids.push_back(image.sample.id);
    if (image.sample.id == fails_at) return absl::InternalError("as asked");
    return absl::OkStatus();
  }
  absl::Status Finish(Findings* findings) override {
    findings->scalars["counter/images"] = static_cast<double>(ids.size());
    return absl::OkStatus();
  }
  std::vector<std::string> ids;
  std::vector<int64_t> rows;
  std::string fails_at;
};

TEST(EvaluateTest, AnErrorOfTheNetworkNamesTheImage) {
  const ProbabilitiesFn fails =
      [](const Batch& batch) -> std::vector<at::Tensor> {
    TORCH_CHECK(batch.ids[0] != "toy1", "Net: sides must be even");
    return Predict(batch);
  };
  try {
    Score(ToyDataset(3), fails).IgnoreError();
    FAIL() << "no exception";
  } catch (const c10::Error& e) {
    EXPECT_STREQ(e.what_without_backtrace(), "toy1: Net: sides must be even");
  }
}

TEST(EvaluateTest, ThePredictorSeesEachImageOnceWhateverIsMeasured) {
  const ToyDataset dataset(5);
  int64_t images = 0, calls = 0;
  FunctionPredictor predictor(kNames, [&](const Batch& batch) {
    images += batch.images.size(0);
    ++calls;
    return Predict(batch);
  });
  for (const int64_t batch_size : {1, 2, 8}) {
    images = calls = 0;
    Measures measures = Scores(dataset.info(), Options(/*pictures=*/2));
    auto counter = std::make_unique<Counter>();
    const Counter& seen = *counter;
    measures.push_back(std::move(counter));
    EvaluateOptions options;
    options.batch_size = batch_size;
    ASSERT_OK_AND_ASSIGN(const Findings findings,
                         Evaluate(dataset, predictor, measures, options));
    EXPECT_EQ(images, 5);
    EXPECT_EQ(calls, (5 + batch_size - 1) / batch_size);
    EXPECT_THAT(seen.ids, ElementsAre("toy0", "toy1", "toy2", "toy3", "toy4"));
    EXPECT_EQ(seen.rows[1], batch_size == 1 ? 0 : 1);
    EXPECT_EQ(findings.scalars.at("counter/images"), 5);
    EXPECT_EQ(findings.scalars.at("mean_iou"), 1);
    EXPECT_EQ(findings.report.pictures.size(), 4u);
  }
}

TEST(EvaluateTest, ABatchHoldsAllThatItsSamplesHave) {
  ToyDataset dataset(3);
  dataset.points_ = at::rand({2, 3});
  FunctionPredictor predictor(kNames, [&](const Batch& batch) {
    EXPECT_EQ(batch.images.size(0), 3);
    EXPECT_EQ(batch.masks.size(0), 3);
    EXPECT_FALSE(batch.probabilities.defined());
    EXPECT_TRUE(at::equal(batch.points, dataset.points_.expand({3, 2, 3})));
    return Predict(batch);
  });
  EvaluateOptions options;
  options.batch_size = 3;
  ASSERT_OK(
      Evaluate(dataset, predictor, Scores(dataset.info(), Options()), options)
          .status());
}

TEST(EvaluateTest, CountsEachOutput) {
  const ToyDataset dataset(3);
  FunctionPredictor predictor(kNames, Predict);
  const Measures measures = Scores(dataset.info(), Options());
  ASSERT_OK_AND_ASSIGN(const Findings findings,
                       Evaluate(dataset, predictor, measures, {}));
  const auto& scores = static_cast<SegmentationScores&>(*measures[0]);
  EXPECT_EQ(scores.confusion(0).total(), 3 * 5 * 8);
  // dark 20 of 40 right: IoU 1/2 and 0.
  EXPECT_EQ(scores.confusion(1).MeanIou(), 0.25);
  ASSERT_EQ(scores.by_image(1).size(), 3u);
  EXPECT_EQ(scores.by_image(1)[2].MeanIou(), 0.25);
  EXPECT_EQ(findings.scalars.at("boundary_iou_2"), 1.0);
  EXPECT_EQ(findings.scalars.at("boundary_iou_5"), 1.0);
}

TEST(EvaluateTest, MeanOverChosenClasses) {
  const ToyDataset dataset(2);
  FunctionPredictor predictor(kNames, Predict);
  SegmentationScoresOptions options = Options();
  const auto find = [&] {
    return Evaluate(dataset, predictor, Scores(dataset.info(), options), {});
  };
  ASSERT_OK_AND_ASSIGN(const Findings all, find());
  EXPECT_EQ(all.scalars.count("chosen_mean_iou"), 0u);
  // The IoUs of "dark" are 1/2 and 0.
  for (const auto& [chosen, expected] :
       std::vector<std::pair<std::vector<int64_t>, double>>{
           {{0}, 0.5}, {{1}, 0.0}, {{0, 1}, 0.25}}) {
    options.chosen = chosen;
    ASSERT_OK_AND_ASSIGN(const Findings findings, find());
    EXPECT_EQ(findings.scalars.at("dark/chosen_mean_iou"), expected);
    EXPECT_EQ(findings.scalars.at("chosen_mean_iou"), 1.0);
    EXPECT_THAT(ToText(findings), HasSubstr("mean of "));
  }
}

TEST(EvaluateTest, ClassesAreChosenByName) {
  DatasetInfo info;
  info.name = "zoo";
  info.class_names = {"cat", "cow", "dog"};
  ASSERT_OK_AND_ASSIGN(const std::vector<int64_t> chosen,
                       ChosenClasses({"dog", "cat", "dog"}, info));
  EXPECT_THAT(chosen, testing::ElementsAre(0, 2));
  ASSERT_OK_AND_ASSIGN(const std::vector<int64_t> none,
                       ChosenClasses({}, info));
  EXPECT_THAT(none, testing::IsEmpty());
  EXPECT_THAT(ChosenClasses({"dgo"}, info).status().message(),
              HasSubstr("eval.mean_classes: zoo has no class 'dgo'; did you "
                        "mean 'dog'?"));
}

TEST(EvaluateTest, JsonHasTheMainOutputWithoutPrefix) {
  ASSERT_OK_AND_ASSIGN(const Findings findings, Score(ToyDataset(1)));
  const nlohmann::json tree = ToJson(findings);
  EXPECT_EQ(tree["metrics"]["mean_iou"], 1.0);
  EXPECT_EQ(tree["metrics"]["dark"]["mean_iou"], 0.25);
  EXPECT_EQ(tree["metrics"]["boundary_iou_2"], 1.0);
  EXPECT_EQ(tree["per_class"]["bright"], 1.0);
  EXPECT_EQ(tree["per_class_by_output"]["dark"]["dark"], 0.5);
  EXPECT_EQ(tree["images"], 1);
  EXPECT_EQ(tree["data"], "toy");
  EXPECT_GE(tree["ms_per_image"], 0);
  EXPECT_THAT(ToText(findings), HasSubstr("25.00"));
}

TEST(FindingsTest, ANameCannotBeAMetricAndALevel) {
  Findings findings;
  findings.scalars = {{"a", 1}, {"a/b", 2}};
  EXPECT_THROW(ToJson(findings), c10::Error);
  findings.scalars = {{"a/b", 2}, {"a/c", std::nan("")}};
  EXPECT_EQ(ToJson(findings)["metrics"]["a"]["b"], 2);
  EXPECT_EQ(ToJson(findings).dump(), R"({"metrics":{"a":{"b":2.0,"c":null}}})");
}

TEST(EvaluateTest, ReportShowsGainsAgainstTheSecondOutput) {
  ASSERT_OK_AND_ASSIGN(const Findings findings,
                       Score(ToyDataset(4), Predict, /*pictures=*/1));
  const ReportData& report = findings.report;
  ASSERT_EQ(report.pictures.size(), 2u);
  EXPECT_EQ(report.pictures[0].group, "Most improved");
  EXPECT_EQ(report.pictures[0].title, "toy3") << "of equals the last";
  EXPECT_EQ(report.pictures[1].group, "Most worsened");
  EXPECT_EQ(report.pictures[1].title, "toy0");
  EXPECT_THAT(report.pictures[0].caption, HasSubstr("+75.00 against dark"));
  EXPECT_EQ(report.confusion[0][0], 4 * 20);
  // No more than half of the images at each end.
  ASSERT_OK_AND_ASSIGN(const Findings few,
                       Score(ToyDataset(3), Predict, /*pictures=*/5));
  EXPECT_EQ(few.report.pictures.size(), 2u);
}

TEST(EvaluateTest, ReportShrinksLargePictures) {
  FunctionPredictor predictor(kNames, Predict);
  const ToyDataset dataset(2, /*scale=*/200);  // 1600x1200
  const Measures measures = Scores(dataset.info(), Options(/*pictures=*/1));
  ASSERT_OK_AND_ASSIGN(const Findings findings,
                       Evaluate(dataset, predictor, measures, {}));
  ASSERT_EQ(findings.report.pictures.size(), 2u);
  for (const ReportPicture& picture : findings.report.pictures) {
    ASSERT_EQ(picture.panels.size(), 5u);
    for (const ReportPanel& panel : picture.panels) {
      EXPECT_EQ(panel.rgb.sizes(), at::IntArrayRef({3, 768, 1024}))
          << panel.label;
    }
    // Shrunk together: above the ignored sixth the right prediction looks like
    // the truth.
    const auto above = [&](size_t panel) {
      return picture.panels[panel].rgb.slice(1, 0, 630);
    };
    EXPECT_TRUE(at::equal(above(1), above(3)));
    EXPECT_FALSE(at::equal(above(1), above(2)));
  }
  // The scores are those of the full size.
  const auto& scores = static_cast<SegmentationScores&>(*measures[0]);
  EXPECT_EQ(scores.confusion(0).total(), 2 * 1000 * 1600);
}

// A system of labels alone, as proposals are.
class LabelsAlone : public Predictor {
 public:
  std::vector<std::string> Names() const override { return kNames; }
  Prediction Predict(const Batch& batch) override {
    const at::Tensor labels = batch.masks.eq(1).to(at::kByte);
    return {{}, {labels, at::zeros_like(labels)}};
  }
};

TEST(EvaluateTest, LabelsAreOutputsToo) {
  LabelsAlone predictor;
  const ToyDataset dataset(2);
  ASSERT_OK_AND_ASSIGN(
      const Findings findings,
      Evaluate(dataset, predictor, Scores(dataset.info(), Options(1)), {}));
  EXPECT_EQ(findings.scalars.at("mean_iou"), 1);
  EXPECT_EQ(findings.scalars.at("dark/mean_iou"), 0.25);
}

TEST(EvaluateTest, MasksAreNeededWhereAMeasureNeedsThem) {
  EXPECT_THAT(
      Score(ToyDataset(0)).status(),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("empty")));
  ToyDataset without(1);
  without.info_.has_masks = false;
  EXPECT_THAT(
      Score(without).status(),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no masks")));
  FunctionPredictor predictor(kNames, Predict);
  Measures measures;
  measures.push_back(std::make_unique<Counter>());
  EXPECT_OK(Evaluate(without, predictor, measures, {}).status());
}

TEST(EvaluateTest, AnErrorOfAMeasureEndsIt) {
  FunctionPredictor predictor(kNames, Predict);
  auto counter = std::make_unique<Counter>();
  counter->fails_at = "toy1";
  Measures measures;
  measures.push_back(std::move(counter));
  EXPECT_THAT(Evaluate(ToyDataset(3), predictor, measures, {}).status(),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("as asked")));
  EXPECT_EQ(static_cast<Counter&>(*measures[0]).ids.size(), 2u);
}

TEST(EvaluateTest, APlanMeasuresByMomentAndRehearsesBoth) {
  const auto val = std::make_shared<ToyDataset>(4);
  const auto report = std::make_shared<ToyDataset>(6);
  std::vector<std::string> asked;
  FunctionPredictor predictor(kNames, Predict);
  EvaluationPlan plan;
  plan.val = val;
  plan.report = report;
  plan.report_split = "test";
  plan.predictor = &predictor;
  plan.validation_batch = 3;
  plan.measures = [&](const DatasetInfo& info, Moment moment) {
    asked.push_back(moment == Moment::kValidation ? "validation" : "final");
    return Scores(info, ScoresAt(moment, 1));
  };
  ASSERT_OK_AND_ASSIGN(const Findings rehearsal, Rehearse(plan));
  EXPECT_THAT(asked, ElementsAre("final", "validation"));
  EXPECT_EQ(rehearsal.json["images"], 1);
  EXPECT_EQ(rehearsal.scalars.count("boundary_iou_2"), 0u);
  ASSERT_OK_AND_ASSIGN(const Findings found,
                       EvaluateAt(plan, Moment::kValidation));
  EXPECT_EQ(found.json["images"], 4);
  ASSERT_OK_AND_ASSIGN(const Findings last, EvaluateAt(plan, Moment::kFinal));
  EXPECT_EQ(last.json["images"], 6);
  EXPECT_EQ(last.tables[0], "toy, split test, 6 images");
}

}  // namespace
}  // namespace seg
