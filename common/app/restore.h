// A paper's trained system, opened again by eval and predict (paper.h).
#ifndef COMMON_APP_RESTORE_H_
#define COMMON_APP_RESTORE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/app/main.h"
#include "common/app/paper.h"
#include "common/base/device.h"
#include "common/base/status_macros.h"
#include "common/base/usage_error.h"
#include "common/training/checkpoint.h"
#include "common/training/restore.h"
#include "common/training/run_folder.h"

namespace seg {

template <class P>
struct Restored {
  typename P::Config config;  // the run's own, with the overrides
  TrainedRun run;
  DatasetInfo outputs;       // the classes that the system gives
  bool own_classes = false;  // they are not its data's: P::OutputClasses
  // On the run's device, in eval mode: that of --checkpoint, then the
  // ensemble's. Every model has the configuration of the first.
  std::vector<typename P::Model> models;
  std::unique_ptr<typename P::System> system;
  std::unique_ptr<Predictor> predictor;  // `system` on images of any size
};

// `first` with the checkpoint that `member` (a run or a checkpoint) means.
// Usage error when its run was trained on other classes, which are compared as
// `compare` says (same_classes.h).
absl::StatusOr<TrainedRun> OpenMember(const TrainedRun& first,
                                      const std::string& member,
                                      const std::string& compare);

// The run's own configuration file, for a run that --checkpoint means. Usage
// error for a weight file that lies in no run, where --config is not given.
absl::StatusOr<std::string> ConfigOf(const RunRef& run, const MainArgs& args);

// What --checkpoint and the overrides say. Warns of tensors that keep their
// starting values.
template <class P>
absl::StatusOr<Restored<P>> Restore(const MainArgs& args,
                                    const Command& command) {
  Restored<P> restored;
  SEG_ASSIGN_OR_RETURN(const RunRef ref,
                       FindRun(args.checkpoint, RunsRoot(args.paper)));
  SEG_ASSIGN_OR_RETURN(const std::string own, ConfigOf(ref, args));
  SEG_RETURN_IF_ERROR(LoadConfig(args, own, &restored.config));
  SEG_ASSIGN_OR_RETURN(const c10::Device device,
                       ResolveDevice(args.device, restored.config.CpuOnly()));
  SEG_ASSIGN_OR_RETURN(restored.run, OpenTrainedRun(ref, device));
  const auto load =
      [&](const TrainedRun& run) -> absl::StatusOr<typename P::Model> {
    SEG_ASSIGN_OR_RETURN(typename P::Model model,
                         P::Build(restored.config, run.info));
    SEG_RETURN_IF_ERROR(LoadRunWeights(run, model.get(), P::MayDiffer));
    return model;
  };
  SEG_RETURN_IF_ERROR(UsageError(
      ChosenClasses(restored.config.eval.mean_classes, restored.run.info)
          .status()));
  SEG_RETURN_IF_ERROR(
      UsageError(P::Check(restored.config, restored.run.info, args, command)));
  SEG_ASSIGN_OR_RETURN(typename P::Model first, load(restored.run));
  restored.models.push_back(std::move(first));
  for (const std::string& member : P::Ensemble(restored.config)) {
    SEG_ASSIGN_OR_RETURN(
        const TrainedRun run,
        OpenMember(restored.run, member, restored.config.eval.classes));
    SEG_ASSIGN_OR_RETURN(typename P::Model model, load(run));
    restored.models.push_back(std::move(model));
  }
  const std::optional<DatasetInfo> outputs =
      P::OutputClasses(restored.config, restored.run.info);
  restored.own_classes = outputs.has_value();
  restored.outputs = outputs.value_or(restored.run.info);
  restored.system = P::MakeSystem(restored.config, restored.models);
  const TilingOptions tiling = P::Tiling(restored.config);
  SEG_RETURN_IF_ERROR(UsageError(CheckTiling(tiling)));
  restored.predictor =
      std::make_unique<TiledPredictor>(*restored.system, tiling);
  return restored;
}

}  // namespace seg

#endif  // COMMON_APP_RESTORE_H_
