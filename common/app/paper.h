// What a paper is to the commands `train`, `eval` and `predict`.
//
// A paper states its types and what is its own in a struct of static members;
// the commands are written once, over that struct:
//
//   struct Demo : PaperDefaults<demo::Config, demo::Model> {
//     static constexpr char kName[] = "demo";
//     static absl::StatusOr<Model> Build(const Config&, const DatasetInfo&);
//     static std::unique_ptr<Task> MakeTask(const Config&, Model,
//                                           const DatasetInfo&);
//     static std::unique_ptr<System> MakeSystem(const Config&,
//                                               std::vector<Model>);
//   };
//   int main(int argc, char** argv) {          // train.cc; eval.cc, predict.cc
//     return TrainMain<Demo>(argc, argv);      // EvalMain, PredictMain
//   }
//
// A command that it alone has is written over the same struct (command.h).
//
// Config is a PaperConfig with an `eval` section (paper_config.h). Model is a
// LibTorch module holder.
#ifndef COMMON_APP_PAPER_H_
#define COMMON_APP_PAPER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/app/main.h"
#include "common/datasets/data_config.h"
#include "common/datasets/dataset.h"
#include "common/datasets/loader.h"
#include "common/evaluation/measure.h"
#include "common/evaluation/predictor.h"
#include "common/evaluation/segmentation_scores.h"
#include "common/evaluation/tiling.h"
#include "common/training/run_options.h"
#include "common/training/training_data.h"

namespace seg {

struct PredictOptions;  // predict.h

using SplitOpener =
    std::function<absl::StatusOr<std::shared_ptr<const Dataset>>(
        const std::string& split)>;

// Options of the scores of segmentation, as `report_pictures` and
// `eval.mean_classes` of the configuration ask.
template <class Config>
SegmentationScoresOptions ScoresOf(const Config& config,
                                   const DatasetInfo& info, Moment moment) {
  SegmentationScoresOptions options = ScoresAt(moment, config.report_pictures);
  // Data compared by order may have other names: then there is no such mean.
  options.chosen = ChosenClasses(config.eval.mean_classes, info)
                       .value_or(std::vector<int64_t>());
  return options;
}

// What most papers need not say.
// SystemType: the paper's predictor, which its measures may look into.
template <class ConfigType, class ModelType, class SystemType = Predictor>
struct PaperDefaults {
  using Config = ConfigType;
  using Model = ModelType;
  using System = SystemType;

  // Whether train and eval need masks. A paper that learns from photographs
  // alone says false; those of its measures that need masks all the same say so
  // themselves (Measure::needs_masks).
  static constexpr bool kTrainsOnMasks = true;

  // Images of one size that validation predicts together.
  static constexpr int64_t kValidationBatch = 1;

  // What no rule of the configuration finds; an error is one of usage.
  static absl::Status Check(const Config& /*config*/,
                            const DatasetInfo& /*info*/,
                            const MainArgs& /*args*/,
                            const Command& /*command*/) {
    return absl::OkStatus();
  }
  // The data of the training split, where they differ from the others' (samples
  // of the size that one network sees: "At which size does a network look?" in
  // common/datasets/README.md).
  static DataConfig TrainingData(const Config& config) { return config.data; }
  // Weights that a training starts from, by the configuration.
  static absl::Status LoadPretrained(const Config& /*config*/,
                                     Model& /*model*/) {
    return absl::OkStatus();
  }
  // Whether Prepare takes long. Then what would end the training after it (a
  // work_dir that holds a run, a validation that fails or lacks
  // train.best_metric) is looked for before it, with the untrained system.
  static constexpr bool kHasStages = false;
  // What a new training does before its first update: the stages of a pipeline
  // whose results (scorers, a ranker) it keeps in the model's buffers. The
  // training ends here, done, where false is returned (a `stage` key). Not
  // called with --resume, whose checkpoint has them, nor with --dry_run.
  // sets: TrainingSets (train.h); run: work_dir may be empty (RunOptions).
  template <class Sets>
  static absl::StatusOr<bool> Prepare(const Config& /*config*/,
                                      const Sets& /*sets*/,
                                      const RunOptions& /*run*/,
                                      Model& /*model*/) {
    return true;
  }
  // What the training learns from; by default the samples of sets.train.
  template <class Sets>
  static absl::StatusOr<seg::TrainingData> Learning(const Config& config,
                                                    const Sets& sets,
                                                    const RunOptions& /*run*/) {
    return FromDataset(
        sets.train, TrainingLoaderOptions(config.data, config.train.batch_size,
                                          /*seed=*/0));
  }
  // Whether a tensor of this name may be missing in a checkpoint (it keeps its
  // starting value) or, with `missing` false, be unknown to the model.
  static bool MayDiffer(const std::string& /*name*/, bool /*missing*/) {
    return false;
  }
  // The classes of what the system gives (names and palette), where they are
  // not those of its data: parts that it found. predict draws them, and eval
  // takes data of any classes, as the paper's own measures bring the two
  // together. data: what the run was trained on, as the Build of a model sees.
  static std::optional<DatasetInfo> OutputClasses(const Config& /*config*/,
                                                  const DatasetInfo& /*data*/) {
    return std::nullopt;
  }
  // Further runs or checkpoints whose models are used with the first.
  static std::vector<std::string> Ensemble(const Config& /*config*/) {
    return {};
  }
  // How images that are larger than memory allows are cut, whoever looks at
  // them: validation, eval and predict see the same tiles.
  static TilingOptions Tiling(const Config& /*config*/) {
    return TilingOptions();
  }
  // What only this paper writes for a photograph. restored: Restored<P>.
  template <class Restored>
  static absl::Status Predicting(Restored& /*restored*/,
                                 PredictOptions* /*options*/) {
    return absl::OkStatus();
  }
  // Hands the system what its measures need beside the split that they look at
  // (images that a regression is fitted on): `open` opens any split of those
  // data. Called by train, where `split` is report_split, and by eval, before
  // anything is measured.
  static void TakeSplits(const Config& /*config*/, System& /*system*/,
                         const std::string& /*split*/,
                         const SplitOpener& /*open*/) {}
  static Measures MakeMeasures(const Config& config, System& system,
                               const DatasetInfo& info, Moment moment) {
    Measures measures;
    measures.push_back(std::make_unique<SegmentationScores>(
        info, system.Names(), ScoresOf(config, info, moment)));
    return measures;
  }
};

}  // namespace seg

#endif  // COMMON_APP_PAPER_H_
