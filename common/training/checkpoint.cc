#include "common/training/checkpoint.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/io/folder_lock.h"
#include "common/io/safetensors.h"
#include "common/io/weights.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kModelFile[] = "model.safetensors";
constexpr char kOptimizerFile[] = "optimizer.safetensors";
constexpr char kStateFile[] = "state.json";
constexpr char kTemporaryPrefix[] = ".tmp-";

absl::Status FileError(const fs::path& path, const std::string& what,
                       const std::error_code& error) {
  return absl::UnavailableError(
      absl::StrCat(path.string(), ": ", what, ": ", error.message()));
}

absl::Status SwapLink(const fs::path& link, const std::string& target) {
  std::error_code error;
  const fs::path temporary =
      link.parent_path() / (kTemporaryPrefix + link.filename().string());
  fs::remove(temporary, error);
  fs::create_symlink(target, temporary, error);
  if (!error) fs::rename(temporary, link, error);
  if (error) return FileError(link, "cannot be linked", error);
  return SyncFolder(link.parent_path().string());
}

// Steps of the checkpoints in a folder, ascending.
std::vector<int64_t> Steps(const fs::path& checkpoints) {
  std::vector<int64_t> steps;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(checkpoints, error)) {
    const std::string name = entry.path().filename().string();
    absl::string_view rest = name;
    int64_t step = 0;
    if (absl::ConsumePrefix(&rest, "step-") && absl::SimpleAtoi(rest, &step)) {
      steps.push_back(step);
    }
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

bool IsCheckpoint(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / kModelFile, error);
}

// The checkpoint that `path` means: FindRun.
absl::StatusOr<std::string> FindCheckpoint(const std::string& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return path;
  for (const char* name : {"", "checkpoints/best", "checkpoints/last"}) {
    const fs::path candidate = fs::path(path) / name;
    if (IsCheckpoint(candidate)) {
      return fs::canonical(candidate, error).string();
    }
  }
  return absl::NotFoundError(
      absl::StrCat(path,
                   ": holds no checkpoint; name a run folder, a folder "
                   "RUN/checkpoints/step-N or a weight file"));
}

// The run folder above a checkpoint folder or file; "" where there is none.
std::string RunOfCheckpoint(const std::string& checkpoint) {
  std::error_code error;
  for (fs::path folder = fs::absolute(checkpoint, error);
       folder.has_relative_path(); folder = folder.parent_path()) {
    if (fs::exists(folder / "config.yaml", error)) return folder.string();
  }
  return "";
}

// The newest run folder with a checkpoint under `root`.
absl::StatusOr<std::string> NewestRun(const std::string& root) {
  std::error_code error;
  // (The clock's epoch lies in the future: a default time would win.)
  std::pair<fs::file_time_type, std::string> newest(fs::file_time_type::min(),
                                                    "");
  for (const auto& entry : fs::directory_iterator(root, error)) {
    const fs::path last = entry.path() / "checkpoints" / "last" / kStateFile;
    const fs::file_time_type time = fs::last_write_time(last, error);
    if (error) continue;
    newest = std::max(newest, std::make_pair(time, entry.path().string()));
  }
  if (newest.second.empty()) {
    return absl::NotFoundError(absl::StrCat(
        root,
        ": holds no run with a checkpoint; train one first, or name one "
        "with --checkpoint"));
  }
  return newest.second;
}

absl::Status WriteCheckpoint(const fs::path& checkpoints,
                             const std::string& name, const TensorMap& model,
                             const TensorMap& optimizer,
                             const CheckpointState& state) {
  const fs::path temporary = checkpoints / (kTemporaryPrefix + name);
  std::error_code error;
  fs::remove_all(temporary, error);
  fs::create_directories(temporary, error);
  if (error) return FileError(temporary, "cannot be made", error);

  SEG_RETURN_IF_ERROR(
      WriteSafetensors((temporary / kModelFile).string(), model));
  SEG_RETURN_IF_ERROR(
      WriteSafetensors((temporary / kOptimizerFile).string(), optimizer));
  json tree = {{"step", state.step}, {"seed", state.seed}, {"format", 1}};
  if (state.samples > 0) tree["samples"] = state.samples;
  if (state.has_best) {
    tree["best"] = {{"step", state.best_step}, {"value", state.best_value}};
  }
  SEG_RETURN_IF_ERROR(WriteFileAtomically((temporary / kStateFile).string(),
                                          tree.dump(2) + "\n"));
  SEG_RETURN_IF_ERROR(SyncFolder(temporary.string()));
  fs::rename(temporary, checkpoints / name, error);
  if (error) return FileError(checkpoints / name, "cannot be renamed", error);
  return SyncFolder(checkpoints.string());
}

}  // namespace

absl::Status SaveCheckpoint(const std::string& run, const TensorMap& model,
                            const TensorMap& optimizer,
                            const CheckpointState& state, int64_t keep) {
  const fs::path checkpoints = fs::path(run) / "checkpoints";
  const std::string name = absl::StrCat("step-", state.step);
  // A checkpoint is a function of the run and its step: one that is there (from
  // before a resume) is this one, and is not taken away even for a moment.
  if (!IsCheckpoint(checkpoints / name)) {
    SEG_RETURN_IF_ERROR(
        WriteCheckpoint(checkpoints, name, model, optimizer, state));
  }
  SEG_RETURN_IF_ERROR(SwapLink(checkpoints / "last", name));
  if (state.has_best && state.best_step == state.step) {
    SEG_RETURN_IF_ERROR(SwapLink(checkpoints / "best", name));
  }

  const std::vector<int64_t> steps = Steps(checkpoints);
  for (size_t i = 0; i + static_cast<size_t>(keep) < steps.size(); ++i) {
    if (state.has_best && steps[i] == state.best_step) continue;
    if (steps[i] == state.step) continue;
    RemoveUnheldFolder(checkpoints / absl::StrCat("step-", steps[i]));
  }
  return absl::OkStatus();
}

absl::Status RemoveCheckpointsAfter(const std::string& run, int64_t step) {
  const fs::path checkpoints = fs::path(run) / "checkpoints";
  std::error_code error;
  for (const int64_t found : Steps(checkpoints)) {
    if (found <= step) continue;
    const fs::path folder = checkpoints / absl::StrCat("step-", found);
    RemoveUnheldFolder(folder);
    if (fs::exists(folder, error)) {
      return absl::UnavailableError(absl::StrCat(
          folder.string(),
          ": cannot be removed; another program may be reading it"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<CheckpointState> ReadCheckpointState(
    const std::string& checkpoint) {
  const std::string path = (fs::path(checkpoint) / kStateFile).string();
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const json tree = json::parse(text, nullptr, /*allow_exceptions=*/false);
  CheckpointState state;
  const auto integer = [](const json& object, const char* key, int64_t* out) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_number_integer()) return false;
    *out = found->get<int64_t>();
    return *out >= 0;
  };
  bool valid = tree.is_object() && integer(tree, "step", &state.step) &&
               integer(tree, "seed", &state.seed);
  if (valid && tree.contains("samples")) {
    valid = integer(tree, "samples", &state.samples);
  }
  if (valid && tree.contains("best")) {
    const json& best = tree["best"];
    state.has_best = true;
    valid = best.is_object() && integer(best, "step", &state.best_step) &&
            best.contains("value") && best["value"].is_number();
    if (valid) state.best_value = best["value"].get<double>();
  }
  if (!valid) {
    return absl::DataLossError(
        absl::StrCat(path, ": is not a checkpoint's state"));
  }
  return state;
}

absl::StatusOr<RunRef> FindRun(const std::string& named,
                               const std::string& root) {
  std::string path = named;
  if (path.empty()) {
    SEG_ASSIGN_OR_RETURN(path, NewestRun(root));
  }
  RunRef run;
  // A training may remove what was found before it is held; it has made newer
  // ones then.
  std::error_code error;
  do {
    SEG_ASSIGN_OR_RETURN(run.checkpoint, FindCheckpoint(path));
    if (fs::is_regular_file(run.checkpoint, error)) break;
    run.held = HoldFolder(run.checkpoint);
  } while (run.held == nullptr || !IsCheckpoint(run.checkpoint));
  run.folder = RunOfCheckpoint(run.checkpoint);
  return run;
}

absl::StatusOr<RunRef> FindRunToResume(const std::string& named,
                                       const std::string& root) {
  RunRef run;
  run.folder = named;
  if (named.empty()) {
    SEG_ASSIGN_OR_RETURN(run.folder, NewestRun(root));
  }
  absl::StatusOr<std::string> last =
      FindCheckpoint(run.folder + "/checkpoints/last");
  if (!last.ok()) {
    return absl::NotFoundError(absl::StrCat(
        run.folder,
        ": holds no checkpoint that --resume could continue; start the run "
        "again without it"));
  }
  run.checkpoint = *std::move(last);
  return run;
}

bool HoldsCheckpoint(const std::string& run) {
  return FindCheckpoint(run).ok() ||
         !Steps(fs::path(run) / "checkpoints").empty();
}

absl::StatusOr<TensorMap> ReadCheckpointModel(const std::string& checkpoint) {
  std::error_code error;
  if (fs::is_directory(checkpoint, error)) {
    return ReadSafetensors((fs::path(checkpoint) / kModelFile).string());
  }
  return ReadWeights(checkpoint);
}

absl::StatusOr<TensorMap> ReadCheckpointOptimizer(
    const std::string& checkpoint) {
  return ReadSafetensors((fs::path(checkpoint) / kOptimizerFile).string());
}

}  // namespace seg
