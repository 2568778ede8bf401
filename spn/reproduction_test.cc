// What can be checked of the paper in minutes on a CPU: exact facts, that
// propagation improves on a coarse segmentation (generated faces), and that
// thin structures want three-way connections (generated strands).
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/datasets/open.h"
#include "common/inference/evaluate.h"
#include "common/io/file.h"
#include "common/reproduction/ledger.h"
#include "common/reproduction/table.h"
#include "common/testing/status_matchers.h"
#include "common/training/trainer.h"
#include "spn/config.h"
#include "spn/model.h"
#include "spn/part_scores.h"
#include "spn/task.h"
#include "torch/utils.h"

namespace seg {
namespace spn {
namespace {

int64_t Count(const std::vector<at::Tensor>& parameters) {
  int64_t count = 0;
  for (const at::Tensor& p : parameters) count += p.numel();
  return count;
}

TEST(ReproductionTest, SizesOfTheFaceModel) {
  Config config;
  config.refine.normalization = "divide";
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
  config.refine.normalization = "tanh";
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

// Trains a configuration with overrides; returns what its model gives on
// `test`.
absl::StatusOr<EvaluateResult> TrainAndEvaluate(
    const std::string& name, const std::vector<std::string>& overrides) {
  const std::string path = Runfile("spn/configs/" + name + ".yaml");
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  Config config;
  SEG_RETURN_IF_ERROR(ParseConfig(text, path, overrides, &config));
  MainArgs args;
  args.paper = "spn";
  args.device = "cpu";
  args.work_dir = testing::TempDir() + name;
  torch::manual_seed(args.seed);
  SEG_ASSIGN_OR_RETURN(const auto train, OpenDataset(config.data, "", "train"));
  SEG_ASSIGN_OR_RETURN(const auto val, OpenDataset(config.data, "", "val"));
  SEG_ASSIGN_OR_RETURN(const auto test, OpenDataset(config.data, "", "test"));
  Model model(config, train->info());
  SpnTask task(config, model, {val, test, "test"});
  SEG_RETURN_IF_ERROR(
      Trainer(args, {config.train, config.data, text}, &task, train).Run());
  EvaluateOptions options;
  options.outputs = model->OutputNames();
  return Evaluate(
      *test, [&](const Batch& batch) { return model->Predict(batch); },
      options);
}

TEST(ReproductionTest, PropagationSharpensFaces) {
  ASSERT_OK_AND_ASSIGN(const EvaluateResult result,
                       TrainAndEvaluate("demo", {}));
  // The demo promises thirty points of mean IoU over the coarse labels.
  EXPECT_GE(result.outputs[0].confusion.MeanIou(),
            result.outputs[1].confusion.MeanIou() + 0.3);
  EXPECT_GT(result.outputs[0].boundary_iou[0],
            result.outputs[1].boundary_iou[0] + 0.3);
}

// Thin structures want three connections: the ledger's claim on the same
// strands, with fewer steps.
TEST(ReproductionTest, ThreeWayBeatsOneWayOnStrands) {
  const std::vector<std::string> short_run = {
      "train.steps=300", "train.validate_every=300", "data.synthetic.test=128"};
  ASSERT_OK_AND_ASSIGN(const EvaluateResult three_way,
                       TrainAndEvaluate("strands_three_way", short_run));
  ASSERT_OK_AND_ASSIGN(const EvaluateResult one_way,
                       TrainAndEvaluate("strands_one_way", short_run));
  const auto iou = [](const EvaluateResult& result, int output) {
    return result.outputs[output].confusion.MeanIou();
  };
  EXPECT_GT(iou(three_way, 0), iou(one_way, 0));
  // Both put the classes back where the blocks had mixed them.
  EXPECT_GT(iou(one_way, 0), iou(one_way, 1) + 0.3);
}

}  // namespace
}  // namespace spn
}  // namespace seg
