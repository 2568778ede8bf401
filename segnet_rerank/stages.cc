#include "segnet_rerank/stages.h"

#include <functional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/usage_error.h"
#include "common/io/safetensors.h"
#include "common/stages/stage.h"
#include "segnet_rerank/network_data.h"
#include "segnet_rerank/stage_inputs.h"
#include "segnet_rerank/stage_keys.h"

namespace seg {
namespace segnet_rerank {
namespace {

using Make = absl::Status (*)(const StageInputs&, const std::string&);
using MakeFold = absl::Status (*)(const StageInputs&, const std::string&,
                                  int64_t);

class Pipeline {
 public:
  Pipeline(const Config& config, std::shared_ptr<const Dataset> train,
           const StageRun& run)
      : root_(run.root),
        keys_(config, *train, run.seed),
        in_{config,
            ImageItems(train, config.folds, static_cast<uint64_t>(run.seed)),
            train->info().num_classes(),
            train->info().ignore_label,
            run.seed,
            run.device,
            UntrainedFitted(config, train->info().num_classes())} {}

  absl::StatusOr<std::optional<Fitted>> Run();
  absl::StatusOr<TrainingData> Learning();

 private:
  absl::Status ScoreRegions();
  absl::Status EnsureTrunkFeatures() {
    if (!TrunkIsFrozen(in_.config.segnet)) return absl::OkStatus();
    return Ensure(keys_.TrunkFeatures(), MakeTrunkFeatures,
                  &in_.trunk_features);
  }
  absl::Status Ensure(const StageKey& key, const Make make,
                      std::string* folder) {
    return Ensure(
        key, [&](const std::string& into) { return make(in_, into); }, folder);
  }
  // A stage of each fold, and with `all` one of all images behind them.
  absl::Status EnsureFolds(StageKey (StageKeys::*key)(int64_t) const,
                           MakeFold make, bool all,
                           std::vector<std::string>* folders) {
    const int64_t folds = in_.config.folds;
    folders->resize(folds + (all ? 1 : 0));
    for (int64_t i = 0; i < static_cast<int64_t>(folders->size()); ++i) {
      const int64_t fold = i == folds ? kAllImages : i;
      SEG_RETURN_IF_ERROR(
          Ensure((keys_.*key)(fold),
                 [&](const std::string& into) { return make(in_, into, fold); },
                 &(*folders)[i]));
    }
    return absl::OkStatus();
  }
  absl::Status Ensure(
      const StageKey& key,
      const std::function<absl::Status(const std::string&)>& make,
      std::string* folder) {
    for (bool waiting = false;; waiting = true) {
      absl::StatusOr<std::string> made = EnsureStage(root_, key, make);
      if (made.ok()) {
        *folder = *std::move(made);
        return absl::OkStatus();
      }
      // Another training that shares the folder is at it.
      if (!absl::IsAlreadyExists(made.status())) return made.status();
      if (!waiting) {
        LogInfo(absl::StrCat("waiting: ", made.status().message()));
      }
      absl::SleepFor(absl::Milliseconds(200));
    }
  }

  const std::string root_;
  const StageKeys keys_;
  StageInputs in_;
};

absl::Status Pipeline::ScoreRegions() {
  SEG_RETURN_IF_ERROR(Ensure(keys_.Axes(), MakeAxes, &in_.axes));
  SEG_RETURN_IF_ERROR(Ensure(keys_.Vectors(), MakeVectors, &in_.vectors));
  SEG_RETURN_IF_ERROR(EnsureFolds(&StageKeys::RegionScorer, FitRegions,
                                  /*all=*/true, &in_.region_scorers));
  return Ensure(keys_.Threshold(), FindThreshold, &in_.threshold);
}

absl::StatusOr<std::optional<Fitted>> Pipeline::Run() {
  const Stage last = in_.config.stage;
  const bool pasted = in_.config.generator == Generator::kO2p;

  SEG_RETURN_IF_ERROR(Ensure(
      keys_.Regions(), pasted ? MakeRegions : MakeSuperpixels, &in_.regions));
  if (last == Stage::kRegions) return std::nullopt;
  if (pasted) {
    SEG_RETURN_IF_ERROR(ScoreRegions());
    if (last == Stage::kO2p) return std::nullopt;
    SEG_RETURN_IF_ERROR(
        Ensure(keys_.Proposals(), MakeProposals, &in_.proposals));
    if (last == Stage::kProposals) return std::nullopt;
  }
  SEG_RETURN_IF_ERROR(EnsureTrunkFeatures());
  SEG_RETURN_IF_ERROR(EnsureFolds(&StageKeys::Network, TrainNetwork,
                                  /*all=*/false, &in_.networks));
  SEG_RETURN_IF_ERROR(Ensure(keys_.Coarse(), MakeCoarse, &in_.coarse));
  if (last == Stage::kSegnet) return std::nullopt;
  if (!pasted) {  // a random field needs the coarse maps
    SEG_RETURN_IF_ERROR(
        Ensure(keys_.Proposals(), MakeFieldProposals, &in_.proposals));
    if (last == Stage::kProposals) return std::nullopt;
  }

  SEG_RETURN_IF_ERROR(
      Ensure(keys_.ImageFeatures(), MakeImageFeatures, &in_.image_features));
  SEG_RETURN_IF_ERROR(EnsureFolds(&StageKeys::ImageScorer, FitImages,
                                  /*all=*/true, &in_.image_scorers));
  SEG_RETURN_IF_ERROR(Ensure(keys_.Features(), MakeFeatures, &in_.features));
  SEG_RETURN_IF_ERROR(Ensure(keys_.Ranker(), FitRankers, &in_.ranker));
  if (last == Stage::kRank) return std::nullopt;

  std::vector<std::string> files = {
      in_.image_scorers.back() + "/scorer.safetensors",
      in_.ranker + "/ranker.safetensors"};
  if (pasted) {
    files.push_back(in_.axes + "/axes.safetensors");
    files.push_back(in_.region_scorers.back() + "/scorer.safetensors");
    files.push_back(in_.threshold + "/threshold.safetensors");
  }
  TensorMap fitted;
  for (const std::string& file : files) {
    SEG_ASSIGN_OR_RETURN(TensorMap tensors, ReadSafetensors(file));
    fitted.merge(tensors);
  }
  TensorMap like = ToTensors(in_.like);
  fitted.merge(like);  // what a random field has no need of
  SEG_ASSIGN_OR_RETURN(Fitted result, FromTensors(fitted));
  return std::optional<Fitted>(std::move(result));
}

absl::StatusOr<TrainingData> Pipeline::Learning() {
  SEG_RETURN_IF_ERROR(EnsureTrunkFeatures());
  return NetworkData(in_.config, in_.images, kAllImages, in_.trunk_features,
                     in_.config.train.batch_size);
}

}  // namespace

absl::StatusOr<std::optional<Fitted>> RunStages(
    const Config& config, std::shared_ptr<const Dataset> train,
    const StageRun& run) {
  if (train->size() < config.folds) {
    return UsageError(absl::InvalidArgumentError(
        absl::StrCat("folds: ", config.folds, ", but there are ", train->size(),
                     " training images; set fewer folds")));
  }
  return Pipeline(config, std::move(train), run).Run();
}

absl::StatusOr<TrainingData> LearningData(const Config& config,
                                          std::shared_ptr<const Dataset> train,
                                          const StageRun& run) {
  return Pipeline(config, std::move(train), run).Learning();
}

}  // namespace segnet_rerank
}  // namespace seg
