#include "crfgrad/restore.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/backbones/state_dict.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/training/checkpoint.h"
#include "common/training/run_folder.h"

namespace seg {
namespace crfgrad {
namespace {

bool IsCrfName(const std::string& name) {
  return absl::StartsWith(name, "crf.");
}

}  // namespace

absl::StatusOr<Restored> Restore(MainArgs args) {
  Restored restored;
  SEG_ASSIGN_OR_RETURN(restored.checkpoint, ResolveCheckpoint(&args));
  SEG_RETURN_IF_ERROR(LoadConfig(args, &restored.config));
  SEG_ASSIGN_OR_RETURN(restored.info,
                       ReadClasses(RunOfCheckpoint(restored.checkpoint)));
  SEG_ASSIGN_OR_RETURN(restored.device, ResolveDevice(args.device));
  restored.model = Model(restored.config, restored.info.num_classes());

  SEG_ASSIGN_OR_RETURN(const TensorMap tensors,
                       ReadCheckpointModel(restored.checkpoint));
  LoadReport report;
  SEG_RETURN_IF_ERROR(
      LoadStateDict(*restored.model, tensors, &report, LoadMode::kPartial));
  bool usable = report.mismatched.empty();
  for (const std::string& name : report.missing) usable &= IsCrfName(name);
  for (const std::string& name : report.unexpected) usable &= IsCrfName(name);
  if (!usable) {
    return absl::InvalidArgumentError(absl::StrCat(
        restored.checkpoint,
        ": is not a model of this configuration: ", report.Summary()));
  }
  if (!report.missing.empty()) {
    LogWarning(
        "the CRF layer has its starting weights; the checkpoint holds "
        "none");
  }
  restored.model->to(restored.device);
  restored.model->eval();
  return restored;
}

}  // namespace crfgrad
}  // namespace seg
