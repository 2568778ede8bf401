// What can be checked of the paper in minutes on a CPU: exact facts, and the
// claim that the layer beats its unary, on generated scenes.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/runfiles.h"
#include "common/layers/permutohedral/taps.h"
#include "common/reproduction/claims.h"
#include "common/reproduction/ledger.h"
#include "common/reproduction/table.h"
#include "common/testing/status_matchers.h"
#include "common/testing/train_and_evaluate.h"
#include "crfgrad/crf_layer.h"
#include "crfgrad/paper.h"

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
  // Half of the demo's pixels and two thirds of its updates.
  ASSERT_OK_AND_ASSIGN(
      Restored<Paper> run,
      TrainAndRestore<Paper>(Runfile("crfgrad/configs/demo.yaml"),
                             {"data.synthetic.height=64",
                              "data.synthetic.width=96", "loss.unary_steps=400",
                              "train.steps=500", "train.validate_every=250"},
                             testing::TempDir() + "demo"));
  ASSERT_OK_AND_ASSIGN(const Findings findings, EvaluateOn(run, "test"));
  // The demo promises one point of mean IoU over the same unary, and has
  // twelve.
  const double gain =
      findings.scalars.at("mean_iou") - findings.scalars.at("fcn/mean_iou");
  EXPECT_GE(gain, 0.01);
  EXPECT_OK(CheckNewVerdict(Runfile("crfgrad"), "crf_beats_unary", "scenes",
                            {100 * gain}));
}

}  // namespace
}  // namespace crfgrad
}  // namespace seg
