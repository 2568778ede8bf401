// The train command of every paper (paper.h).
#ifndef COMMON_APP_TRAIN_H_
#define COMMON_APP_TRAIN_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/app/paper.h"
#include "common/base/status_macros.h"
#include "common/config/config.h"
#include "common/config/main.h"
#include "common/datasets/data_config.h"
#include "common/datasets/dataset.h"
#include "common/evaluation/evaluate.h"
#include "common/training/resume.h"
#include "common/training/task.h"
#include "common/training/trainer.h"
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

// Seeds LibTorch's default generators.
void SeedGenerators(int64_t seed);

// Trains as the arguments and the configuration that they name say.
template <class P>
absl::Status RunTrain(MainArgs args) {
  typename P::Config config;
  SEG_RETURN_IF_ERROR(LoadTrainConfig(&args, &config));
  SEG_ASSIGN_OR_RETURN(const c10::Device device,
                       ResolveDevice(args.device, config.CpuOnly()));
  args.device = device.str();
  SEG_ASSIGN_OR_RETURN(
      const TrainingSets sets,
      OpenTrainingSets(P::TrainingData(config), config.data,
                       config.report_split, args.data_root, P::kTrainsOnMasks));
  const DatasetInfo& info = sets.train->info();
  SEG_RETURN_IF_ERROR(
      UsageError(P::Check(config, info, args, Command::kTrain)));
  SeedGenerators(args.seed);
  SEG_ASSIGN_OR_RETURN(typename P::Model model, P::Build(config, info));
  SEG_RETURN_IF_ERROR(P::LoadPretrained(config, model));
  const std::unique_ptr<Task> task = P::MakeTask(config, model, info);
  const std::unique_ptr<typename P::System> system =
      P::MakeSystem(config, {model});
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
  plan.device = device;
  plan.validation_batch = P::kValidationBatch;
  return Trainer(args,
                 {config.train, config.data, ToYaml(nlohmann::json(config)),
                  std::move(plan)},
                 task.get(), sets.train)
      .Run();
}

template <class P>
int TrainMain(int argc, char** argv) {
  return RunMain(argc, argv, Command::kTrain, P::kName, RunTrain<P>);
}

}  // namespace seg

#endif  // COMMON_APP_TRAIN_H_
