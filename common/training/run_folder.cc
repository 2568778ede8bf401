#include "common/training/run_folder.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <sys/resource.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/environment.h"
#include "common/base/status_macros.h"
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

}  // namespace

std::string RunsRoot(const std::string& paper) {
  return absl::StrCat("runs/", paper);
}

absl::Status ResolveResume(MainArgs* args) {
  if (!args->resume) return absl::OkStatus();
  if (args->work_dir.empty()) {
    SEG_ASSIGN_OR_RETURN(args->work_dir, NewestRun(RunsRoot(args->paper)));
  }
  SEG_RETURN_IF_ERROR(FindCheckpoint(args->work_dir).status());
  if (args->config.empty()) args->config = args->work_dir + "/config.yaml";
  return absl::OkStatus();
}

absl::StatusOr<std::string> OpenRunFolder(const MainArgs& args) {
  std::error_code error;
  if (args.resume) {
    MainArgs resolved = args;
    SEG_RETURN_IF_ERROR(ResolveResume(&resolved));
    return resolved.work_dir;
  }
  std::string run = args.work_dir;
  if (run.empty()) {
    const std::string name =
        args.config.empty() ? "demo" : fs::path(args.config).stem().string();
    run = absl::StrCat(
        RunsRoot(args.paper), "/", name, "-",
        absl::FormatTime("%Y%m%d-%H%M%S", absl::Now(), absl::LocalTimeZone()));
  }
  if (fs::exists(fs::path(run) / "config.yaml", error)) {
    return UsageError(absl::AlreadyExistsError(absl::StrCat(
        run,
        ": holds a run already; continue it with --resume, or name "
        "another --work_dir")));
  }
  fs::create_directories(fs::path(run) / "checkpoints", error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat(run, ": cannot be made: ", error.message()));
  }
  return run;
}

nlohmann::json Environment(const MainArgs& args) {
  return {{"paper", args.paper},
          {"torch", TORCH_VERSION},
          {"compiler", __VERSION__},
          {"commit", Commit()},
          {"cpu", CpuModel()},
          {"cuda", at::hasCUDA()},
          {"device", args.device},
          {"threads", at::get_num_threads()},
          {"seed", args.seed},
          {"started", absl::FormatTime(absl::RFC3339_sec, absl::Now(),
                                       absl::UTCTimeZone())},
          {"overrides", args.overrides}};
}

int64_t PeakMemoryMib() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

absl::StatusOr<std::string> ResolveCheckpoint(MainArgs* args) {
  std::string named = args->checkpoint;
  if (named.empty()) {
    SEG_ASSIGN_OR_RETURN(named, NewestRun(RunsRoot(args->paper)));
  }
  SEG_ASSIGN_OR_RETURN(const std::string checkpoint, FindCheckpoint(named));
  if (args->config.empty()) {
    const std::string run = RunOfCheckpoint(checkpoint);
    if (run.empty()) {
      return UsageError(absl::InvalidArgumentError(
          absl::StrCat(checkpoint,
                       ": lies in no run folder with a config.yaml; give the "
                       "model's configuration by --config")));
    }
    args->config = run + "/config.yaml";
  }
  return checkpoint;
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
