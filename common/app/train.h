// The train command of every paper (paper.h).
#ifndef COMMON_APP_TRAIN_H_
#define COMMON_APP_TRAIN_H_

#include <ATen/Context.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/app/main.h"
#include "common/app/paper.h"
#include "common/base/device.h"
#include "common/base/status_macros.h"
#include "common/base/usage_error.h"
#include "common/config/config.h"
#include "common/config/config_file.h"
#include "common/datasets/data_config.h"
#include "common/datasets/dataset.h"
#include "common/datasets/open.h"
#include "common/evaluation/evaluate.h"
#include "common/training/resume.h"
#include "common/training/run_options.h"
#include "common/training/task.h"
#include "common/training/train_config.h"
#include "common/training/trainer.h"
#include "common/training/training_data.h"
#include "nlohmann/json.hpp"

namespace seg {

struct TrainingSets {
  std::shared_ptr<const Dataset> train, val, report;
};

// The splits of a training: `train` of train_data, `val` and report_split of
// `data`; the same object where the last two are one.
//   needs_masks: all must have masks, and training labels that look wrong are
//     warned of.
absl::StatusOr<TrainingSets> OpenTrainingSets(const DataConfig& train_data,
                                              const DataConfig& data,
                                              const std::string& report_split,
                                              const std::string& data_root,
                                              bool needs_masks);

// What `args` tell the training, all but the device. With --resume work_dir is
// the run that is continued (--work_dir, else the paper's newest; it must hold
// a checkpoint), and the seed is its own (a --seed that differs is a usage
// error).
absl::StatusOr<RunOptions> TrainingRun(const MainArgs& args);

// LoadConfig for trainings. A run that goes on has its own configuration (or
// --config) under the overrides, as CheckResumeChanges allows.
template <class Config>
absl::Status LoadTrainConfig(const MainArgs& args, const RunOptions& run,
                             Config* config) {
  if (!run.resume) return LoadConfig(args, DemoConfig(args), config);
  SEG_RETURN_IF_ERROR(
      LoadConfigFile(SourceOf(args, run.work_dir + "/config.yaml"), config));
  SEG_RETURN_IF_ERROR(CheckResumeConfig(run.work_dir, *config));
  return PrintConfig(args, nlohmann::json(*config));
}

// What would end a training after stages that take hours, before them: see
// PaperDefaults::kHasStages. Moves the task's module to the device of the run.
absl::Status CheckBeforeStages(const EvaluationPlan& plan,
                               const TrainConfig& config, const RunOptions& run,
                               Task* task);

// Trains as the arguments and the configuration that they name say.
template <class P>
absl::Status RunTrain(const MainArgs& args) {
  typename P::Config config;
  SEG_ASSIGN_OR_RETURN(RunOptions run, TrainingRun(args));
  SEG_RETURN_IF_ERROR(LoadTrainConfig(args, run, &config));
  SEG_ASSIGN_OR_RETURN(run.device,
                       ResolveDevice(args.device, config.CpuOnly()));
  SEG_ASSIGN_OR_RETURN(
      const TrainingSets sets,
      OpenTrainingSets(P::TrainingData(config), config.data,
                       config.report_split, args.data_root, P::kTrainsOnMasks));
  const DatasetInfo& info = sets.train->info();
  SEG_RETURN_IF_ERROR(
      UsageError(ChosenClasses(config.eval.mean_classes, info).status()));
  SEG_RETURN_IF_ERROR(
      UsageError(P::Check(config, info, args, Command::kTrain)));
  at::manual_seed(static_cast<uint64_t>(run.seed));
  SEG_ASSIGN_OR_RETURN(typename P::Model model, P::Build(config, info));
  SEG_RETURN_IF_ERROR(P::LoadPretrained(config, model));
  const std::unique_ptr<Task> task = P::MakeTask(config, model, info);
  const std::unique_ptr<typename P::System> system =
      P::MakeSystem(config, {model});
  P::TakeSplits(config, *system, config.report_split,
                [&](const std::string& split) {
                  return OpenFilledDataset(config.data, args.data_root, split,
                                           P::kTrainsOnMasks);
                });
  const TilingOptions tiling = P::Tiling(config);
  SEG_RETURN_IF_ERROR(UsageError(CheckTiling(tiling)));
  TiledPredictor predictor(*system, tiling);
  EvaluationPlan plan;
  plan.val = sets.val;
  plan.report = sets.report;
  plan.report_split = config.report_split;
  plan.predictor = &predictor;
  plan.measures = [&](const DatasetInfo& data, Moment moment) {
    return P::MakeMeasures(config, *system, data, moment);
  };
  plan.device = run.device;
  plan.validation_batch = P::kValidationBatch;
  if (!run.resume && !run.dry_run) {
    if (P::kHasStages) {
      SEG_RETURN_IF_ERROR(
          CheckBeforeStages(plan, config.train, run, task.get()));
    }
    SEG_ASSIGN_OR_RETURN(const bool train,
                         P::Prepare(config, sets, run, model));
    if (!train) return absl::OkStatus();
  }
  SEG_ASSIGN_OR_RETURN(TrainingData data, P::Learning(config, sets, run));
  return Trainer(run,
                 {config.train, config.data, ToYaml(nlohmann::json(config)),
                  std::move(plan)},
                 task.get(), std::move(data))
      .Run();
}

template <class P>
int TrainMain(int argc, char** argv) {
  return RunMain(argc, argv, Command::kTrain, P::kName, RunTrain<P>);
}

}  // namespace seg

#endif  // COMMON_APP_TRAIN_H_
