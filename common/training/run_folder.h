// The folder of a run: config.yaml, classes.json, env.json, log.txt,
// metrics.jsonl, TensorBoard events, checkpoints/ and report.html.
#ifndef COMMON_TRAINING_RUN_FOLDER_H_
#define COMMON_TRAINING_RUN_FOLDER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/config/main.h"
#include "common/datasets/dataset.h"
#include "common/io/folder_lock.h"
#include "nlohmann/json.hpp"

namespace seg {

// With --resume: sets args->work_dir to the run that is continued (--work_dir,
// else the paper's newest; it must hold a checkpoint), args->config, where no
// --config is given, to the run's own configuration, and args->seed to the
// run's own (a --seed that differs is a usage error). Without: changes nothing.
// Trainers call it by LoadTrainConfig (resume.h).
absl::Status ResolveResume(MainArgs* args);

// A folder that this process writes a run to. No other process can claim it
// while the lock lives.
struct RunFolder {
  std::string path;
  FolderLock lock;
};

// Claims the run folder that `args` mean.
//   new run: --work_dir, or runs/PAPER/NAME-TIME (NAME: the configuration
//     file's; -2, -3, .. behind it where another program took the name); made
//     here. kAlreadyExists (usage) when it holds a checkpoint already. What a
//     run left that never saved one is removed.
//   --resume: --work_dir, else the paper's newest run; must hold a checkpoint.
// kAlreadyExists (usage) when another process is at work in the folder.
absl::StatusOr<RunFolder> OpenRunFolder(const MainArgs& args);

// A new, empty folder in the run folder that `args` mean, or where that is not
// there in the nearest folder above it. The caller removes it.
absl::StatusOr<std::string> MakeTrialFolder(const MainArgs& args);

// Versions, commit, device, CPU, threads, seed, command of this process.
nlohmann::json Environment(const MainArgs& args);

// "runs/PAPER" below the working directory.
std::string RunsRoot(const std::string& paper);

// Largest resident memory of this process so far, in MiB.
int64_t PeakMemoryMib();

// `run`/config.yaml for eval and predict: fills args->config with it unless the
// user gave --config, after resolving --checkpoint (default: the newest run).
// Returns the checkpoint (FindCheckpoint).
absl::StatusOr<std::string> ResolveCheckpoint(MainArgs* args);

// Class names and palette of the data a run was trained on, in
// RUN/classes.json, so that predict needs no data set.
absl::Status WriteClasses(const std::string& run, const DatasetInfo& info);
// `run` as RunOfCheckpoint gives it: "" is an error that says so.
absl::StatusOr<DatasetInfo> ReadClasses(const std::string& run);

}  // namespace seg

#endif  // COMMON_TRAINING_RUN_FOLDER_H_
