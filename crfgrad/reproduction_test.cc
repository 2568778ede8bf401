// What can be checked of the paper in minutes on a CPU: exact facts, and the
// claim that the layer beats its unary, on generated scenes.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/base/runfiles.h"
#include "common/datasets/open.h"
#include "common/io/file.h"
#include "common/layers/permutohedral/taps.h"
#include "common/reproduction/claims.h"
#include "common/reproduction/ledger.h"
#include "common/reproduction/table.h"
#include "common/testing/status_matchers.h"
#include "common/training/trainer.h"
#include "crfgrad/config.h"
#include "crfgrad/model.h"
#include "crfgrad/task.h"
#include "torch/utils.h"

namespace seg {
namespace crfgrad {
namespace {

TEST(ReproductionTest, ParameterCountsOfTheLayer) {
  // Sec. 4.1: (s+1)^(d+1) - s^(d+1) taps a label pair on the lattice.
  EXPECT_EQ(PermutohedralTaps(5, 1), 63);
  EXPECT_EQ(PermutohedralTaps(5, 2), 665);
  CrfLayer layer(CrfConfig(), 21);
  int64_t count = 0;
  for (const at::Tensor& p : layer->parameters()) count += p.numel();
  EXPECT_EQ(count, 35721 + 27783 + 1);
}

TEST(ReproductionTest, EveryReportedNumberIsThere) {
  ASSERT_OK_AND_ASSIGN(const Ledger ledger,
                       ReadLedger(Runfile("crfgrad/reported.yaml")));
  EXPECT_EQ(ledger.paper, "crfgrad");
  // Weizmann 5, NYU V2 7, Cityscapes 6 and 2 x 19 classes.
  EXPECT_EQ(ledger.rows.size(), 5u + 7u + 6u + 38u);
}

TEST(ReproductionTest, LedgerResultsAndReadmeAgree) {
  EXPECT_OK(CheckPaper(Runfile("crfgrad")));
}

TEST(ReproductionTest, TheLayerBeatsItsUnaryOnScenes) {
  const std::string path = Runfile("crfgrad/configs/demo.yaml");
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(path));
  Config config;
  // Half of the demo's pixels and two thirds of its updates.
  ASSERT_OK(ParseConfig(
      text, path,
      {"data.synthetic.height=64", "data.synthetic.width=96",
       "loss.unary_steps=400", "train.steps=500", "train.validate_every=250"},
      &config));
  MainArgs args;
  args.paper = "crfgrad";
  args.device = "cpu";
  args.work_dir = testing::TempDir() + "demo";
  torch::manual_seed(args.seed);
  ASSERT_OK_AND_ASSIGN(const auto train, OpenDataset(config.data, "", "train"));
  ASSERT_OK_AND_ASSIGN(const auto val, OpenDataset(config.data, "", "val"));
  ASSERT_OK_AND_ASSIGN(const auto test, OpenDataset(config.data, "", "test"));
  Model model(config, train->info().num_classes());
  CrfGradTask task(config, model, {val, test, "test"});
  ASSERT_OK(
      Trainer(args, {config.train, config.data, text}, &task, train).Run());
  // Trainer left the best weights in the model.
  EvaluateOptions options;
  options.outputs = model->OutputNames();
  ASSERT_OK_AND_ASSIGN(
      const EvaluateResult result,
      Evaluate(
          *test,
          [&](const Batch& batch) { return model->Predict(batch.images); },
          options));
  // The demo promises one point of mean IoU over the same unary, and has
  // twelve.
  const double gain = result.outputs[0].confusion.MeanIou() -
                      result.outputs[1].confusion.MeanIou();
  EXPECT_GE(gain, 0.01);
  EXPECT_OK(CheckNewVerdict(Runfile("crfgrad"), "crf_beats_unary", "scenes",
                            {100 * gain}));
}

}  // namespace
}  // namespace crfgrad
}  // namespace seg
