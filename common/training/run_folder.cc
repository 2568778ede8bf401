#include "common/training/run_folder.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <sys/resource.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/environment.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/usage_error.h"
#include "common/io/file.h"
#include "common/training/checkpoint.h"

namespace seg {
namespace {

namespace fs = std::filesystem;

// The commit of the tree that `bazel run` was called from; "" where that is not
// known.
std::string Commit() {
  const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  return workspace == nullptr ? "" : GitCommit(workspace);
}

absl::Status CannotBeMade(const std::string& folder,
                          const std::error_code& error) {
  return absl::UnavailableError(
      absl::StrCat(folder, ": cannot be made: ", error.message()));
}

// Makes runs/PAPER/NAME-TIME, a folder that was not there before: programs that
// start in one second get one each.
absl::StatusOr<std::string> MakeNewFolder(const RunOptions& options) {
  std::error_code error;
  const std::string root = RunsRoot(options.paper);
  fs::create_directories(root, error);
  if (error) return CannotBeMade(root, error);
  const std::string run = absl::StrCat(
      root, "/", options.name, "-",
      absl::FormatTime("%Y%m%d-%H%M%S", absl::Now(), absl::LocalTimeZone()));
  std::string candidate = run;
  for (int64_t i = 2; !fs::create_directory(candidate, error); ++i) {
    if (error) return CannotBeMade(candidate, error);
    candidate = absl::StrCat(run, "-", i);
  }
  return candidate;
}

// Whether a run that never saved a checkpoint left the files in `run`.
bool IsFailedStart(const std::string& run) {
  const absl::StatusOr<std::string> text = ReadFile(run + "/env.json");
  if (!text.ok()) return false;
  const nlohmann::json tree =
      nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  return tree.is_object() && tree.contains("paper");
}

absl::Status RemoveFailedStart(const std::string& run) {
  LogInfo(run + ": holds a run that saved no checkpoint; it is begun anew");
  std::error_code error;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(run, error)) {
    const std::string name = entry.path().filename().string();
    bool own = absl::StartsWith(name, "events.out.tfevents.");
    for (const char* file :
         {"checkpoints", "classes.json", "config.yaml", "env.json", "log.txt",
          "metrics.jsonl", "pictures"}) {
      own = own || name == file;
    }
    if (own) files.push_back(entry.path());
  }
  for (const fs::path& file : files) {
    fs::remove_all(file, error);
    if (error) {
      return absl::UnavailableError(absl::StrCat(
          file.string(), ": cannot be removed: ", error.message()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<RunFolder> Claim(const std::string& run) {
  absl::StatusOr<FolderLock> lock = FolderLock::Take(run, "--work_dir");
  if (absl::IsAlreadyExists(lock.status())) return UsageError(lock.status());
  if (!lock.ok()) return lock.status();
  return RunFolder{run, *std::move(lock)};
}

// No run lies there, but for one that never saved anything.
absl::Status CheckFree(const std::string& path) {
  if (HoldsCheckpoint(path)) {
    return UsageError(absl::AlreadyExistsError(absl::StrCat(
        path,
        ": holds a run already; continue it with --resume, or name "
        "another --work_dir")));
  }
  std::error_code error;
  if (!IsFailedStart(path) && fs::exists(path + "/config.yaml", error)) {
    return UsageError(absl::AlreadyExistsError(absl::StrCat(
        path,
        ": holds a config.yaml that no run wrote; name another --work_dir")));
  }
  return absl::OkStatus();
}

}  // namespace

std::string RunsRoot(const std::string& paper) {
  return absl::StrCat("runs/", paper);
}

absl::Status CheckRunFolderIsFree(const RunOptions& options) {
  const std::string& path = options.work_dir;
  std::error_code error;
  if (path.empty() || !fs::is_directory(path, error)) return absl::OkStatus();
  SEG_ASSIGN_OR_RETURN(const RunFolder claimed, Claim(path));
  return CheckFree(path);
}

absl::StatusOr<RunFolder> OpenRunFolder(const RunOptions& options) {
  std::string path = options.work_dir;
  if (options.resume) {
    SEG_RETURN_IF_ERROR(FindRunToResume(path).status());
    return Claim(path);
  }
  std::error_code error;
  if (path.empty()) {
    SEG_ASSIGN_OR_RETURN(path, MakeNewFolder(options));
  } else {
    fs::create_directories(path, error);
    if (error) return CannotBeMade(path, error);
  }
  SEG_ASSIGN_OR_RETURN(RunFolder run, Claim(path));
  SEG_RETURN_IF_ERROR(CheckFree(path));
  if (IsFailedStart(path)) SEG_RETURN_IF_ERROR(RemoveFailedStart(path));
  fs::create_directories(path + "/checkpoints", error);
  if (error) return CannotBeMade(path, error);
  return run;
}

absl::StatusOr<std::string> MakeTrialFolder(const RunOptions& options) {
  std::error_code error;
  fs::path parent = fs::absolute(
      options.work_dir.empty() ? RunsRoot(options.paper) : options.work_dir,
      error);
  while (!fs::is_directory(parent, error) && parent.has_relative_path()) {
    parent = parent.parent_path();
  }
  std::string folder = (parent / ".trial-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) {
    return ErrnoStatus(errno, folder, "cannot be made");
  }
  return folder;
}

nlohmann::json Environment(const RunOptions& options) {
  return {{"paper", options.paper},
          {"torch", TORCH_VERSION},
          {"compiler", __VERSION__},
          {"commit", Commit()},
          {"cpu", CpuModel()},
          {"cuda", at::hasCUDA()},
          {"device", options.device.str()},
          {"threads", at::get_num_threads()},
          {"seed", options.seed},
          {"started", absl::FormatTime(absl::RFC3339_sec, absl::Now(),
                                       absl::UTCTimeZone())},
          {"overrides", options.overrides}};
}

int64_t PeakMemoryMib() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

int64_t PeakDeviceMemoryMib(c10::Device device) {
  if (device.is_cpu()) return 0;
  using Stat = c10::CachingAllocator::StatType;
  const auto stats =
      c10::getDeviceAllocator(device.type())->getDeviceStats(device.index());
  return stats.allocated_bytes[static_cast<size_t>(Stat::AGGREGATE)].peak >> 20;
}

absl::Status WriteClasses(const std::string& run, const DatasetInfo& info) {
  const nlohmann::json tree = {{"name", info.name},
                               {"classes", info.class_names},
                               {"palette", info.palette},
                               {"ignore_label", info.ignore_label}};
  return WriteFileAtomically(run + "/classes.json", tree.dump(2) + "\n");
}

absl::StatusOr<DatasetInfo> ReadClasses(const std::string& run) {
  if (run.empty()) {
    return absl::NotFoundError(
        "classes.json: the weights lie in no run folder, so the classes are "
        "not known; name a run or its checkpoint");
  }
  const std::string path = run + "/classes.json";
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  DatasetInfo info;
  try {
    const nlohmann::json tree = nlohmann::json::parse(text);
    info.name = tree.at("name").get<std::string>();
    info.class_names = tree.at("classes").get<std::vector<std::string>>();
    info.palette = tree.at("palette").get<Palette>();
    info.ignore_label = tree.at("ignore_label").get<int64_t>();
  } catch (const nlohmann::json::exception& e) {
    return absl::DataLossError(absl::StrCat(path, ": ", e.what()));
  }
  return info;
}

}  // namespace seg
