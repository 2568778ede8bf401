#include "common/app/train.h"

#include <c10/util/Exception.h>

#include <filesystem>
#include <optional>

#include "absl/strings/str_cat.h"
#include "common/datasets/label_census.h"
#include "common/training/checkpoint.h"
#include "common/training/run_folder.h"
#include "common/training/run_watch.h"

namespace seg {

absl::StatusOr<TrainingSets> OpenTrainingSets(const DataConfig& train_data,
                                              const DataConfig& data,
                                              const std::string& report_split,
                                              const std::string& data_root,
                                              bool needs_masks) {
  const auto open = [&](const DataConfig& config, const std::string& split) {
    return OpenFilledDataset(config, data_root, split, needs_masks);
  };
  TrainingSets sets;
  SEG_ASSIGN_OR_RETURN(sets.train, open(train_data, "train"));
  SEG_ASSIGN_OR_RETURN(sets.val, open(data, "val"));
  sets.report = sets.val;
  if (report_split != "val") {
    SEG_ASSIGN_OR_RETURN(sets.report, open(data, report_split));
  }
  if (needs_masks) SEG_RETURN_IF_ERROR(WarnOfTrainingLabels(*sets.train));
  return sets;
}

absl::StatusOr<RunOptions> TrainingRun(const MainArgs& args) {
  RunOptions run;
  run.paper = args.paper;
  run.name = args.config.empty()
                 ? "demo"
                 : std::filesystem::path(args.config).stem().string();
  run.work_dir = args.work_dir;
  run.resume = args.resume;
  run.init_from = args.init_from;
  run.dry_run = args.dry_run;
  run.seed = args.seed;
  run.overrides = args.overrides;
  if (!args.resume) return run;
  SEG_ASSIGN_OR_RETURN(const RunRef resumed,
                       FindRunToResume(args.work_dir, RunsRoot(args.paper)));
  run.work_dir = resumed.folder;
  std::optional<int64_t> seed;
  if (args.seed_given) seed = args.seed;
  SEG_ASSIGN_OR_RETURN(run.seed, ResumedSeed(resumed, seed));
  return run;
}

absl::Status CheckBeforeStages(const EvaluationPlan& plan,
                               const TrainConfig& config, const RunOptions& run,
                               Task* task) {
  SEG_RETURN_IF_ERROR(CheckRunFolderIsFree(run));
  task->module().to(run.device);
  task->module().eval();
  absl::StatusOr<Findings> findings;
  try {
    findings = Rehearse(plan);
  } catch (const c10::Error& e) {
    findings = absl::InternalError(
        absl::StrCat("validation: ", e.what_without_backtrace()));
  }
  task->module().train();
  if (!findings.ok()) return findings.status();
  return CheckBestMetric(findings->scalars, config);
}

}  // namespace seg
