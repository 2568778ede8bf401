// What can be checked of the paper in minutes on a CPU: exact facts, that
// propagation improves on a coarse segmentation (generated faces), and that
// thin structures want three-way connections (generated strands).
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/reproduction/claims.h"
#include "common/reproduction/ledger.h"
#include "common/reproduction/table.h"
#include "common/testing/in_children.h"
#include "common/testing/status_matchers.h"
#include "common/testing/train_and_evaluate.h"
#include "nlohmann/json.hpp"
#include "spn/config.h"
#include "spn/model.h"
#include "spn/paper.h"
#include "spn/part_scores.h"

namespace seg {
namespace spn {
namespace {

using nlohmann::json;

int64_t Count(const std::vector<at::Tensor>& parameters) {
  int64_t count = 0;
  for (const at::Tensor& p : parameters) count += p.numel();
  return count;
}

TEST(ReproductionTest, SizesOfTheFaceModel) {
  Config config;
  config.refine.normalization = GateNormalization::kDivide;
  DatasetInfo info;
  info.class_names = HelenClasses();
  Model three_way(config, info);
  // Encoder 3-16-32-64-128-256-512, decoder 512-256-128-64 and 384 gates, 3x3;
  // batch norm (two numbers a channel) after each and no biases.
  const int64_t weights =
      9 * (3 * 16 + 16 * 32 + 32 * 64 + 64 * 128 + 128 * 256 + 256 * 512 +
           512 * 256 + 256 * 128 + 128 * 64 + 64 * 384);
  const int64_t norms =
      2 * (16 + 32 + 64 + 128 + 256 + 512 + 256 + 128 + 64 + 384);
  EXPECT_EQ(Count(three_way->guidance_parameters()), weights + norms);
  // 13.4 MB in float32, where the paper says 12 MB.
  EXPECT_NEAR(
      4e-6 * static_cast<double>(Count(three_way->guidance_parameters())), 12,
      1.5);
  // One-way differs in the number of gates alone: 128 instead of 384.
  config.refine.three_way = false;
  config.refine.normalization = GateNormalization::kTanh;
  Model one_way(config, info);
  EXPECT_EQ(Count(three_way->guidance_parameters()) -
                Count(one_way->guidance_parameters()),
            256 * (9 * 64 + 2));
  EXPECT_EQ(Count(three_way->head_parameters()),
            Count(one_way->head_parameters()));
  // The parser: 3-32-64-128-256-512 and back to 11 classes, 3x3, with biases.
  const int64_t parser =
      9 * (3 * 32 + 2 * (32 * 64 + 64 * 128 + 128 * 256 + 256 * 512) +
           32 * 11) +
      (32 + 64 + 128 + 256 + 512 + 256 + 128 + 64 + 32 + 11);
  EXPECT_EQ(Count(three_way->coarse_parameters()), parser);
}

// reported.yaml, results/ and the rendered documents agree.
TEST(ReproductionTest, TheRecordFitsTogether) {
  EXPECT_OK(CheckPaper(Runfile("spn")));
}

TEST(ReproductionTest, EveryReportedNumberIsThere) {
  ASSERT_OK_AND_ASSIGN(const Ledger ledger,
                       ReadLedger(Runfile("spn/reported.yaml")));
  EXPECT_EQ(ledger.paper, "spn");
  // HELEN 5 x 9, VOC 9 x 3, dense CRF 2 x 3, times 6, sizes 2.
  EXPECT_EQ(ledger.rows.size(), 45u + 27u + 6u + 6u + 2u);
  for (const ReportedRow& row : ledger.rows) EXPECT_TRUE(row.recalled);
}

// Trains a configuration with overrides; returns mean IoU and the IoU within
// 2 pixels of the contours, in points, of its model's outputs on `test`: the
// refined labels ("mean_iou", "boundary_iou") and the coarse ones ("coarse_").
absl::StatusOr<json> TrainAndEvaluate(
    const std::string& name, const std::vector<std::string>& overrides) {
  std::vector<std::string> all = overrides;
  all.push_back("report_pictures=0");
  SEG_ASSIGN_OR_RETURN(
      Restored<Paper> run,
      TrainAndRestore<Paper>(Runfile("spn/configs/" + name + ".yaml"), all,
                             testing::TempDir() + name));
  SEG_ASSIGN_OR_RETURN(const Findings findings, EvaluateOn(run, "test"));
  const auto points = [&](const std::string& metric) {
    return 100 * findings.scalars.at(metric);
  };
  const std::string coarse = run.system->Names()[1] + "/";
  return json{{"mean_iou", points("mean_iou")},
              {"boundary_iou", points("boundary_iou_2")},
              {"coarse_mean_iou", points(coarse + "mean_iou")},
              {"coarse_boundary_iou", points(coarse + "boundary_iou_2")}};
}

// The claims on generated pictures, each model trained once.
class GeneratedTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    // Half of the demo's updates.
    const std::vector<std::string> faces = {"train.steps=300",
                                            "train.validate_every=300"};
    // The protocol's strands have 1,000 steps and 256 test pictures.
    const std::vector<std::string> strands = {"train.steps=300",
                                              "train.validate_every=300",
                                              "data.synthetic.test=128"};
    ASSERT_OK_AND_ASSIGN(
        const std::vector<json> results,
        MeasureInChildren(
            {[&] { return TrainAndEvaluate("demo", faces); },
             [&] { return TrainAndEvaluate("strands_three_way", strands); },
             [&] { return TrainAndEvaluate("strands_one_way", strands); }}));
    results_ = new std::vector<json>(results);
  }
  static void TearDownTestSuite() {
    delete results_;
    results_ = nullptr;
  }
  void SetUp() override { ASSERT_NE(results_, nullptr); }

  static const json& Faces() { return (*results_)[0]; }
  static const json& ThreeWay() { return (*results_)[1]; }
  static const json& OneWay() { return (*results_)[2]; }
  // Points that the refined labels gain over the coarse ones.
  static double Gain(const json& result, const std::string& metric) {
    return result[metric].get<double>() -
           result["coarse_" + metric].get<double>();
  }

  static std::vector<json>* results_;
};
std::vector<json>* GeneratedTest::results_ = nullptr;

TEST_F(GeneratedTest, PropagationSharpensFaces) {
  // The demo promises thirty points of mean IoU over the coarse labels.
  EXPECT_GE(Gain(Faces(), "mean_iou"), 30);
  EXPECT_GT(Gain(Faces(), "boundary_iou"), 30);
  EXPECT_OK(CheckNewVerdict(Runfile("spn"), "refines_faces", "faces",
                            {Gain(Faces(), "mean_iou")}));
}

// Thin structures want three connections.
TEST_F(GeneratedTest, ThreeWayBeatsOneWayOnStrands) {
  const double lead =
      ThreeWay()["mean_iou"].get<double>() - OneWay()["mean_iou"].get<double>();
  EXPECT_GT(lead, 0);
  EXPECT_OK(CheckNewVerdict(Runfile("spn"), "three_way_beats_one_way_strands",
                            "strands", {lead}));
  // Both put the classes back where the blocks had mixed them.
  EXPECT_GT(Gain(OneWay(), "mean_iou"), 30);
  EXPECT_GT(Gain(ThreeWay(), "mean_iou"), 30);
}

}  // namespace
}  // namespace spn
}  // namespace seg
