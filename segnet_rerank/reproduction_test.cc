// What can be checked of the paper in seconds or a few minutes on a CPU: sizes
// of the networks, the behaviour of the losses, claims on generated pictures,
// and that the record fits together.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "common/base/runfiles.h"
#include "common/reproduction/claims.h"
#include "common/reproduction/ledger.h"
#include "common/reproduction/table.h"
#include "common/testing/status_matchers.h"
#include "common/testing/train_and_evaluate.h"
#include "segnet_rerank/paper.h"
#include "segnet_rerank/ranking_features.h"
#include "segnet_rerank/segnet.h"

namespace seg {
namespace segnet_rerank {
namespace {

int64_t Count(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const at::Tensor& p : module.parameters()) count += p.numel();
  return count;
}

// Below a tenth of CaffeNet's 60,965,224 parameters, for the kernels that the
// paper leaves open. (3 is the least with which a cell sees the whole image.)
TEST(ReproductionTest, SizesOfSegNet) {
  const std::vector<std::pair<int64_t, int64_t>> sizes = {
      {1, 2386197}, {3, 2800917}, {5, 3630357}, {7, 4874517}};
  for (const auto& [kernel, size] : sizes) {
    SegNetConfig config;
    config.trunk = Trunk::kCaffeNet;
    config.kernel = kernel;
    SegNet net(config, 21);
    EXPECT_EQ(Count(*net), size) << kernel;
    EXPECT_LT(10 * size, 60965224) << kernel;
    EXPECT_EQ(net->input_size(), 227);
  }
}

// The groups of Sec. 4.2 whose sizes the paper names.
TEST(ReproductionTest, SizesOfTheFeatures) {
  std::vector<std::string> found;
  for (const FeatureGroup& group : FeatureLayout(21)) {
    found.push_back(group.name + " " + std::to_string(group.size));
  }
  for (const char* expected :
       {"segnet_kl 2", "segnet_overlap 84", "classification 20",
        "size_classification 80", "centroids 420", "pair_mass 210",
        "co_occurrence 210", "contours 120"}) {
    EXPECT_THAT(found, testing::Contains(expected));
  }
}

// On a part of the demo's pictures and updates. Claims on rankers need more: of
// four seeds one had segnet_beats_classification the other way round here. So
// the networks of the folds, from which rankers alone learn, are hardly
// trained.
TEST(ReproductionTest, ClaimsOnObjects) {
  const std::string paper = Runfile("segnet_rerank");
  ASSERT_OK_AND_ASSIGN(
      Restored<Paper> run,
      TrainAndRestore<Paper>(
          paper + "/configs/demo.yaml",
          {"data.synthetic.train=60", "data.synthetic.val=4",
           "data.synthetic.test=32", "folds=2", "fold_steps=10",
           "train.steps=400", "train.validate_every=400",
           "loss.cross_entropy_steps=200", "report_split=val",
           "report_pictures=0"},
          testing::TempDir() + "demo"));
  ASSERT_OK_AND_ASSIGN(const Findings findings, EvaluateOn(run, "test"));
  const auto check = [&](const std::string& claim, double difference) {
    EXPECT_OK(CheckNewVerdict(paper, claim, "objects", {difference}));
  };
  const auto points = [&](const std::string& method) {
    return 100 * findings.scalars.at(method + "/mean_iou");
  };
  check("superpixel_beats_naive", points("superpixel") - points("naive"));
  check("picks_beat_superpixels", points("kl_pick") - points("superpixel"));
  check("kl_pick_beats_first", points("kl_pick") - points("one_best"));
  ASSERT_OK_AND_ASSIGN(const Ledger ledger,
                       ReadLedger(paper + "/reported.yaml"));
  const Claim* oracle = ledger.FindClaim("oracle_above_first");
  ASSERT_NE(oracle, nullptr);
  check(oracle->id, findings.scalars.at("oracle_gain_10") -
                        std::get<Statistic>(oracle->comparison).bound);
}

// reported.yaml, results/ and the rendered documents agree.
TEST(ReproductionTest, TheRecordFitsTogether) {
  EXPECT_OK(CheckPaper(Runfile("segnet_rerank")));
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
