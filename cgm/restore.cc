#include "cgm/restore.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "common/base/status_macros.h"
#include "common/inference/same_classes.h"
#include "common/io/file.h"
#include "common/training/checkpoint.h"
#include "common/training/run_folder.h"

namespace seg {
namespace cgm {
namespace {

absl::StatusOr<Model> Load(const Config& config, const RestoredRun& run) {
  Model model(config.model, run.info.num_classes());
  SEG_RETURN_IF_ERROR(
      LoadRunWeights(run, model.get(), [](const std::string& name) {
        return absl::StartsWith(name, "cnn.head_half.") ||
               absl::StartsWith(name, "cnn.head_quarter.");
      }).status());
  return model;
}

}  // namespace

absl::StatusOr<Restored> Restore(const MainArgs& args) {
  Restored restored;
  SEG_ASSIGN_OR_RETURN(restored.run, OpenRun(args, &restored.config));
  absl::Status status = CheckClasses(restored.config, restored.run.info);
  if (!status.ok()) return UsageError(std::move(status));
  SEG_ASSIGN_OR_RETURN(Model first, Load(restored.config, restored.run));
  restored.models.push_back(std::move(first));
  for (const std::string& member : restored.config.inference.ensemble) {
    RestoredRun run = restored.run;
    SEG_ASSIGN_OR_RETURN(run.checkpoint, FindCheckpoint(ExpandHome(member)));
    const std::string folder = RunOfCheckpoint(run.checkpoint);
    if (!folder.empty()) {  // of a file alone the classes are not known
      SEG_ASSIGN_OR_RETURN(run.info, ReadClasses(folder));
      run.info.name = "inference.ensemble: " + member;
      SEG_RETURN_IF_ERROR(UsageError(CheckSameClasses(
          restored.run.info, run.info, {}, restored.config.eval.classes)));
    }
    SEG_ASSIGN_OR_RETURN(Model model, Load(restored.config, run));
    restored.models.push_back(std::move(model));
  }
  return restored;
}

}  // namespace cgm
}  // namespace seg
