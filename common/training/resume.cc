#include "common/training/resume.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/base/log.h"
#include "common/base/usage_error.h"
#include "common/io/file.h"
#include "common/io/json_lines.h"
#include "common/training/run_folder.h"

namespace seg {
namespace {

using nlohmann::json;

// Keys and sections that have no part in the updates.
const char* const kMayChange[] = {"data.cache_mb",
                                  "data.workers",
                                  "eval",
                                  "predict",
                                  "report_pictures",
                                  "report_split",
                                  "train.checkpoint_every",
                                  "train.keep_checkpoints",
                                  "train.log_every",
                                  "train.validate_every"};

bool IsLength(const std::string& key) {
  return key == "train.steps" || key == "train.epochs";
}

bool MayChange(const ConfigChange& change) {
  if (IsLength(change.key)) {
    // 0 steps: the other key gives the length.
    return change.before.is_number() && change.after.is_number() &&
           change.before > 0 && change.after > change.before;
  }
  return std::any_of(std::begin(kMayChange), std::end(kMayChange),
                     [&](const std::string& name) {
                       return change.key == name ||
                              absl::StartsWith(change.key, name + ".");
                     });
}

std::string LengthEffect(const TrainConfig& before, const TrainConfig& after,
                         int64_t step, int64_t epoch_steps) {
  const int64_t old_steps = TotalSteps(before, epoch_steps);
  const int64_t steps = TotalSteps(after, epoch_steps);
  std::string text = absl::StrCat("the run goes on to step ", steps,
                                  " instead of ", old_steps, "; ");
  const auto rate = [&](int64_t length) {
    return after.optimizer.lr *
           ScheduleFactor(after.schedule, std::min(step, length), length);
  };
  const std::string type = EnumName(after.schedule.type);
  if (after.schedule.type != ScheduleType::kPoly &&
      after.schedule.type != ScheduleType::kStep) {
    return absl::StrCat(text, "its schedule (", type,
                        ") does not depend on the length");
  }
  absl::StrAppendFormat(&text,
                        "its schedule (%s) follows the new length from here "
                        "on: the learning rate after step %d is %.3g, it was "
                        "%.3g",
                        type, step, rate(steps), rate(old_steps));
  return text;
}

absl::Status RecordChanges(const std::string& run, int64_t step,
                           const std::string& config_text,
                           const TrainConfig& config, int64_t epoch_steps) {
  const std::string path = run + "/config.yaml";
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  SEG_ASSIGN_OR_RETURN(const json before, ParseYaml(text, path));
  SEG_ASSIGN_OR_RETURN(const json after, ParseYaml(config_text, path));
  bool changed = false;
  bool longer = false;
  for (const ConfigChange& change : ConfigChanges(before, after)) {
    // (An older version's file lacks the keys that are new, and holds some that
    // are gone.)
    if (change.before.is_null() || change.after.is_null()) continue;
    LogInfo(absl::StrCat("from step ", step, " on, ", ToString(change)));
    changed = true;
    longer = longer || IsLength(change.key);
  }
  if (!changed) return absl::OkStatus();
  if (longer) {
    TrainConfig old_config = config;
    try {
      old_config = before.value("train", json::object()).get<TrainConfig>();
    } catch (const json::exception& e) {
      return absl::DataLossError(absl::StrCat(path, ": train: ", e.what()));
    }
    LogInfo(LengthEffect(old_config, config, step, epoch_steps));
  }
  SEG_RETURN_IF_ERROR(RemoveCheckpointsAfter(run, step));
  return WriteFileAtomically(path, config_text);
}

absl::Status CutMetrics(const std::string& run, int64_t step) {
  const std::string path = run + "/metrics.jsonl";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return absl::OkStatus();
  SEG_ASSIGN_OR_RETURN(const std::vector<json> records, ReadJsonLines(path));
  std::string kept;
  for (const json& record : records) {
    if (record.value("step", int64_t{0}) <= step) kept += record.dump() + "\n";
  }
  return WriteFileAtomically(path, kept);
}

}  // namespace

absl::Status CheckResumeChanges(const std::string& run,
                                const std::vector<ConfigChange>& changes) {
  std::vector<std::string> refused;
  for (const ConfigChange& change : changes) {
    if (MayChange(change)) continue;
    refused.push_back(absl::StrCat(
        ToString(change), IsLength(change.key) ? " (it may only grow)" : ""));
  }
  if (refused.empty()) return absl::OkStatus();
  return UsageError(absl::InvalidArgumentError(absl::StrCat(
      "--resume: ", run, " goes on as it was begun, got ",
      absl::StrJoin(refused, "; "),
      "; leave these out, or start a new run (--init_from=", run,
      " takes its weights). What may change: ", absl::StrJoin(kMayChange, ", "),
      ", and train.steps and train.epochs, which may grow")));
}

absl::StatusOr<int64_t> ResumedSeed(const RunRef& run,
                                    std::optional<int64_t> wanted) {
  SEG_ASSIGN_OR_RETURN(const CheckpointState state,
                       ReadCheckpointState(run.checkpoint));
  if (!wanted || *wanted == state.seed) return state.seed;
  return UsageError(absl::InvalidArgumentError(absl::StrCat(
      "--resume: ", run.folder, " was started with --seed=", state.seed,
      ", got --seed=", *wanted, "; leave the flag out")));
}

absl::Status CheckResumeData(const std::string& run,
                             const CheckpointState& state,
                             const DatasetInfo& info, int64_t samples) {
  const auto error = [&](const std::string& had, const std::string& has) {
    return UsageError(absl::InvalidArgumentError(
        absl::StrCat("--resume: ", run, " was trained on ", had, ", ",
                     info.name, " has ", has,
                     "; give it the data it had (--data_root), or start a new "
                     "run (--init_from=",
                     run, " takes its weights)")));
  };
  SEG_ASSIGN_OR_RETURN(const DatasetInfo had, ReadClasses(run));
  if (had.class_names != info.class_names) {
    return error(
        absl::StrCat("the classes ", absl::StrJoin(had.class_names, ", ")),
        absl::StrJoin(info.class_names, ", "));
  }
  if (state.samples > 0 && state.samples != samples) {
    return error(absl::StrCat(state.samples, " images"), absl::StrCat(samples));
  }
  return absl::OkStatus();
}

absl::Status ContinueRunFiles(const std::string& run, int64_t step,
                              const std::string& config_text,
                              const TrainConfig& config, int64_t epoch_steps) {
  SEG_RETURN_IF_ERROR(
      RecordChanges(run, step, config_text, config, epoch_steps));
  return CutMetrics(run, step);
}

}  // namespace seg
