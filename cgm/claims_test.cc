// The paper's claims on generated images whose answers are all known
// (synthetic:ambiguous: plants whose leaves grow to either side, hidden by
// fog), on models that are trained on the demo's configuration.
//
// Not here: that the CNN path of CVAE collapses. On these plants it depends on
// the seed (README.md); on photographs the ledger judges it.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cgm/config.h"
#include "cgm/evaluation.h"
#include "cgm/inference.h"
#include "cgm/model.h"
#include "cgm/task.h"
#include "common/base/runfiles.h"
#include "common/datasets/open.h"
#include "common/datasets/synthetic/ambiguous.h"
#include "common/io/file.h"
#include "common/metrics/energy_distance.h"
#include "common/testing/status_matchers.h"
#include "common/training/trainer.h"
#include "torch/utils.h"

namespace seg {
namespace cgm {
namespace {

// A model of each type, trained once on the demo's configuration.
class AmbiguousTest : public testing::Test {
 protected:
  struct Trained {
    Model model{nullptr};
    GenerativeScores scores;
  };

  static void SetUpTestSuite() {
    results_ = new std::map<std::string, Trained>;
    for (const char* type : {"cnn", "gdnn", "gsnn", "cvae", "hybrid"}) {
      ASSERT_NO_FATAL_FAILURE(Train(type));
    }
  }
  static void TearDownTestSuite() {
    delete results_;
    results_ = nullptr;
  }

  static void Train(const std::string& type) {
    const std::string path = Runfile("cgm/configs/demo.yaml");
    ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(path));
    ASSERT_OK(ParseConfig(text, path, {"model.type=" + type}, &config_));
    MainArgs args;
    args.paper = "cgm";
    args.device = "cpu";
    args.work_dir = testing::TempDir() + type;
    torch::manual_seed(args.seed);
    ASSERT_OK_AND_ASSIGN(const auto train,
                         OpenDataset(config_.data, "", "train"));
    ASSERT_OK_AND_ASSIGN(const auto val, OpenDataset(config_.data, "", "val"));
    Model model(config_.model, train->info().num_classes());
    Config quick = config_;
    quick.evaluation.generative = false;  // scored below
    CgmTask task(quick, model, {val, val, "val", 0});
    ASSERT_OK(
        Trainer(args, {config_.train, config_.data, text}, &task, train).Run());
    model->eval();
    Trained& result = (*results_)[type];
    result.model = model;
    ASSERT_OK_AND_ASSIGN(result.scores,
                         ScoreGenerative(*val, model, config_, c10::kCPU));
  }

  static const Trained& Result(const std::string& type) {
    return results_->at(type);
  }
  static double NegativeCll(const std::string& type) {
    return Result(type).scores.Main()->negative_cll;
  }

  // How label maps lie to the true modes of pictures that no split holds: the
  // share of maps that match a mode (IoU >= 0.9); and over modes, counted for
  // each number of modes apart, the least of how often a mode is drawn to how
  // often it should be. Models without samples give one map a picture.
  struct Modes {
    double valid = 0, least_share = 0, energy_distance = 0;
  };
  static Modes MatchModes(Model model, int64_t samples) {
    const c10::InferenceMode inference;
    AmbiguousOptions options;
    options.height = config_.data.synthetic.height;
    options.width = config_.data.synthetic.width;
    options.seed = static_cast<uint64_t>(config_.data.synthetic.seed);
    constexpr int64_t kFirst = 1000000;
    constexpr int64_t kPictures = 32;
    Modes result;
    // By (number of modes, mode): draws, and how many there should be.
    std::map<std::pair<size_t, size_t>, std::pair<double, double>> draws;
    for (int64_t i = kFirst; i < kFirst + kPictures; ++i) {
      const std::vector<AmbiguousMode> modes = AmbiguousModes(options, i);
      std::vector<at::Tensor> masks;
      EnergyDistanceOptions distance;
      for (const AmbiguousMode& mode : modes) {
        masks.push_back(mode.mask);
        distance.truth_weights.push_back(mode.probability);
      }
      const at::Tensor truths = at::stack(masks);
      const at::Tensor x = model->Prepare(
          MakeBatch(MakeAmbiguous(options, i), c10::kCPU).images);
      at::Generator generator = MakeGenerator(static_cast<uint64_t>(i));
      const at::Tensor labels =
          model->samples()
              ? SamplePosteriors(model, x, samples, generator).argmax(1)
              : Deterministic(model, x).both.argmax(1);
      const at::Tensor near = IouDistances(labels, truths).le(0.1);
      result.valid +=
          near.any(1).to(at::kDouble).mean().item<double>() / kPictures;
      result.energy_distance +=
          GeneralizedEnergyDistance(labels, truths, distance).squared /
          kPictures;
      for (size_t m = 0; m < modes.size(); ++m) {
        auto& [drawn, expected] = draws[{modes.size(), m}];
        drawn += near.select(1, static_cast<int64_t>(m)).sum().item<double>();
        expected += modes[m].probability * static_cast<double>(labels.size(0));
      }
    }
    result.least_share = std::numeric_limits<double>::infinity();
    for (const auto& [key, counts] : draws) {
      result.least_share =
          std::min(result.least_share, counts.first / counts.second);
    }
    return result;
  }

  static Config config_;
  static std::map<std::string, Trained>* results_;
};
Config AmbiguousTest::config_;
std::map<std::string, AmbiguousTest::Trained>* AmbiguousTest::results_;

TEST_F(AmbiguousTest, LikelihoodsAreOrderedAsInThePaper) {
  EXPECT_LT(NegativeCll("cvae"), NegativeCll("hybrid"));
  EXPECT_LT(NegativeCll("hybrid"), NegativeCll("gsnn"));
  EXPECT_LT(NegativeCll("gsnn"), NegativeCll("cnn"));
}

TEST_F(AmbiguousTest, TheLatentIsUsed) {
  for (const char* type : {"cvae", "hybrid"}) {
    // A choice among 2 or 4 equal answers is worth 0.7 to 1.4 nats.
    EXPECT_GT(*Result(type).scores.kl, 0.5) << type;
    EXPECT_LT(*Result(type).scores.sigma_recognition,
              *Result(type).scores.sigma_prior)
        << type;
    EXPECT_GT(*Result(type).scores.latents_in_use, 0) << type;
  }
}

TEST_F(AmbiguousTest, SamplesOfCvaeAreValidModesWhereGdnnBlends) {
  const Modes cvae = MatchModes(Result("cvae").model, 64);
  const Modes gdnn = MatchModes(Result("gdnn").model, 1);
  EXPECT_GE(cvae.valid, 0.8);
  EXPECT_GE(cvae.least_share, 0.5);
  EXPECT_LT(gdnn.valid, 0.2);
  EXPECT_LT(cvae.energy_distance, gdnn.energy_distance);
}

}  // namespace
}  // namespace cgm
}  // namespace seg
