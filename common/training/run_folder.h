// The folder of a run: config.yaml, classes.json, env.json, log.txt,
// metrics.jsonl, TensorBoard events, checkpoints/ and report.html.
#ifndef COMMON_TRAINING_RUN_FOLDER_H_
#define COMMON_TRAINING_RUN_FOLDER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"
#include "common/io/folder_lock.h"
#include "common/training/run_options.h"
#include "nlohmann/json.hpp"

namespace seg {

// A folder that this process writes a run to. No other process can claim it
// while the lock lives.
struct RunFolder {
  std::string path;
  FolderLock lock;
};

// Claims the folder of a run.
//   new run: work_dir, or runs/PAPER/NAME-TIME (-2, -3, .. behind it where
//     another program took the name); made here. kAlreadyExists (usage) when it
//     holds a checkpoint already. What a run left that never saved one is
//     removed.
//   resume: work_dir, which must hold a checkpoint.
// kAlreadyExists (usage) when another process is at work in the folder.
absl::StatusOr<RunFolder> OpenRunFolder(const RunOptions& options);

// What OpenRunFolder says of a work_dir that a new run cannot have: one that
// holds a run, or that another process is at work in. Makes nothing, and claims
// it no longer than it looks: for what comes before a long preparation.
absl::Status CheckRunFolderIsFree(const RunOptions& options);

// A new, empty folder in the run folder that `options` mean, or where that is
// not there in the nearest folder above it. The caller removes it.
absl::StatusOr<std::string> MakeTrialFolder(const RunOptions& options);

// Versions, commit, CPU and threads of this process, and what it was told:
// paper, device, seed, overrides.
nlohmann::json Environment(const RunOptions& options);

// "runs/PAPER" below the working directory.
std::string RunsRoot(const std::string& paper);

// Largest resident memory of this process so far, in MiB.
int64_t PeakMemoryMib();

// Most memory that tensors on `device` had at a time so far, in MiB; 0 for a
// CPU.
int64_t PeakDeviceMemoryMib(c10::Device device);

// Class names and palette of the data a run was trained on, in
// RUN/classes.json, so that predict needs no data set.
absl::Status WriteClasses(const std::string& run, const DatasetInfo& info);
// `run`: RunRef::folder; "" is an error that says so.
absl::StatusOr<DatasetInfo> ReadClasses(const std::string& run);

}  // namespace seg

#endif  // COMMON_TRAINING_RUN_FOLDER_H_
