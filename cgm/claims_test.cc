// The paper's claims on generated images whose answers are all known
// (synthetic:ambiguous: plants whose leaves grow to either side, hidden by
// fog), on models of each type that are trained on the demo's configuration,
// shortened. What is found must not contradict the verdicts on record.
//
// Not here: that the CNN path of CVAE collapses. On these plants it depends on
// the seed (NOTES.md); on photographs the ledger judges it.
#include "common/reproduction/claims.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cgm/config.h"
#include "cgm/inference.h"
#include "cgm/model.h"
#include "cgm/paper.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/datasets/synthetic/ambiguous.h"
#include "common/metrics/energy_distance.h"
#include "common/testing/in_children.h"
#include "common/testing/status_matchers.h"
#include "common/testing/train_and_evaluate.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace cgm {
namespace {

using nlohmann::json;

// Of the demo's 2,000 updates on 32 pictures each. One validation: the last.
const std::vector<std::string> kShortened = {
    "train.steps=1500", "train.batch_size=16", "train.validate_every=1500"};

// How label maps lie to the true modes of pictures that no split holds.
struct Modes {
  // The share of maps that match a mode (IoU >= 0.9).
  double valid = 0;
  // Over modes, counted for each number of modes apart: the least of how often
  // a mode is drawn to how often it should be.
  double least_share = 0;
  double energy_distance = 0;
};

// Models without samples give one map a picture.
Modes MatchModes(Model& model, const Config& config, int64_t samples) {
  const c10::InferenceMode inference;
  AmbiguousOptions options;
  options.height = config.data.synthetic.height;
  options.width = config.data.synthetic.width;
  options.seed = static_cast<uint64_t>(config.data.synthetic.seed);
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
    const at::Tensor x =
        model->Prepare(MakeBatch(MakeAmbiguous(options, i), c10::kCPU).images);
    at::Generator generator = MakeGenerator(static_cast<uint64_t>(i));
    const at::Tensor labels =
        model->samples()
            ? SamplePosteriors(model, x, samples, generator).argmax(1)
            : Deterministic(model, x).both.argmax(1);
    const at::Tensor near = IouDistances(labels, truths).le(0.1);
    result.valid +=
        near.any(1).to(at::kDouble).mean().item<double>() / kPictures;
    result.energy_distance +=
        GeneralizedEnergyDistance(labels, truths, distance).squared / kPictures;
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

// Trains a model of the type and measures it.
absl::StatusOr<json> TrainAndMeasure(const std::string& type) {
  std::vector<std::string> overrides = kShortened;
  overrides.push_back("model.type=" + type);
  // Scored below, once.
  overrides.push_back("evaluation.generative=false");
  overrides.push_back("report_pictures=0");
  SEG_ASSIGN_OR_RETURN(
      Restored<Paper> run,
      TrainAndRestore<Paper>(Runfile("cgm/configs/demo.yaml"), overrides,
                             testing::TempDir() + type));
  run.config.evaluation.generative = true;
  Model& model = run.models[0];
  const Config& config = run.config;
  SEG_ASSIGN_OR_RETURN(const Findings findings, EvaluateOn(run, "val"));
  json result;
  for (const char* name :
       {"negative_cll", "kl", "sigma_p", "sigma_q", "latents_in_use"}) {
    const auto found = findings.scalars.find(name);
    if (found != findings.scalars.end()) result[name] = found->second;
  }
  if (type == "cvae" || type == "gdnn") {
    const Modes modes = MatchModes(model, config, 64);
    result["valid"] = modes.valid;
    result["least_share"] = modes.least_share;
    result["energy_distance"] = modes.energy_distance;
  }
  return result;
}

// A model of each type, trained once.
class AmbiguousTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    // The slow ones first: two at a time, they end together.
    const std::vector<std::string> types = {"hybrid", "cvae", "gsnn", "gdnn",
                                            "cnn"};
    std::vector<Measurement> measurements;
    for (const std::string& type : types) {
      measurements.push_back([type] { return TrainAndMeasure(type); });
    }
    ASSERT_OK_AND_ASSIGN(const std::vector<json> results,
                         MeasureInChildren(measurements));
    results_ = new std::map<std::string, json>;
    for (size_t i = 0; i < types.size(); ++i)
      (*results_)[types[i]] = results[i];
  }
  static void TearDownTestSuite() {
    delete results_;
    results_ = nullptr;
  }
  void SetUp() override { ASSERT_NE(results_, nullptr); }

  static double Measured(const std::string& type, const std::string& name) {
    return results_->at(type).at(name).get<double>();
  }

  // The record knows the claim on these plants, and the sign of `difference`
  // (positive in favour of it) does not contradict what it says.
  static absl::Status AgreesWithTheRecord(const std::string& claim,
                                          double difference) {
    return CheckNewVerdict(Runfile("cgm"), claim, "ambiguous", {difference});
  }

  static std::map<std::string, json>* results_;
};
std::map<std::string, json>* AmbiguousTest::results_ = nullptr;

TEST_F(AmbiguousTest, LikelihoodsAreOrderedAsInThePaper) {
  const auto lead = [](const std::string& better, const std::string& worse) {
    return Measured(worse, "negative_cll") - Measured(better, "negative_cll");
  };
  EXPECT_GT(lead("cvae", "hybrid"), 0);
  EXPECT_GT(lead("hybrid", "gsnn"), 0);
  EXPECT_GT(lead("hybrid", "cnn"), 0);
  EXPECT_OK(
      AgreesWithTheRecord("cll_cvae_below_hybrid", lead("cvae", "hybrid")));
  EXPECT_OK(
      AgreesWithTheRecord("cll_hybrid_below_gsnn", lead("hybrid", "gsnn")));
  // Undecided on record: GSNN and CNN lie a fifth of a nat apart here, on
  // either side of each other from seed to seed.
  EXPECT_OK(AgreesWithTheRecord("cll_gsnn_below_cnn", lead("gsnn", "cnn")));
}

TEST_F(AmbiguousTest, TheLatentIsUsed) {
  for (const char* type : {"cvae", "hybrid"}) {
    // A choice among 2 or 4 equal answers is worth 0.7 to 1.4 nats.
    EXPECT_GT(Measured(type, "kl"), 0.5) << type;
    EXPECT_LT(Measured(type, "sigma_q"), Measured(type, "sigma_p")) << type;
    EXPECT_GT(Measured(type, "latents_in_use"), 0) << type;
  }
  EXPECT_OK(
      AgreesWithTheRecord("kl_does_not_vanish", Measured("cvae", "kl") - 0.1));
  EXPECT_OK(AgreesWithTheRecord(
      "recognition_is_surer",
      1 - Measured("cvae", "sigma_q") / Measured("cvae", "sigma_p")));
}

TEST_F(AmbiguousTest, SamplesOfCvaeAreValidModesWhereGdnnLeavesSomeOut) {
  EXPECT_GE(Measured("cvae", "valid"), 0.8);
  // Each answer is drawn; how often depends on the seed after so short a
  // training, as does whether GDNN blends answers or keeps to one (NOTES.md).
  EXPECT_GT(Measured("cvae", "least_share"), 0.2);
  EXPECT_EQ(Measured("gdnn", "least_share"), 0);
  EXPECT_LT(4 * Measured("cvae", "energy_distance"),
            Measured("gdnn", "energy_distance"));
  EXPECT_OK(AgreesWithTheRecord("samples_are_shapes",
                                Measured("cvae", "valid") - 0.8));
}

}  // namespace
}  // namespace cgm
}  // namespace seg
