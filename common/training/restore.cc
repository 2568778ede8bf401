#include "common/training/restore.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/backbones/state_dict.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/training/run_folder.h"

namespace seg {

absl::StatusOr<TrainedRun> OpenTrainedRun(const RunRef& ref,
                                          c10::Device device) {
  SEG_ASSIGN_OR_RETURN(const DatasetInfo info, ReadClasses(ref.folder));
  return TrainedRun{ref, info, device};
}

absl::Status LoadRunWeights(
    const TrainedRun& run, torch::nn::Module* module,
    const std::function<bool(const std::string& name, bool missing)>&
        may_differ) {
  SEG_ASSIGN_OR_RETURN(const TensorMap tensors,
                       ReadCheckpointModel(run.ref.checkpoint));
  LoadReport report;
  SEG_RETURN_IF_ERROR(
      LoadStateDict(*module, tensors, &report, LoadMode::kPartial));
  bool usable = report.mismatched.empty();
  for (const std::string& name : report.missing) {
    usable &= may_differ && may_differ(name, /*missing=*/true);
  }
  for (const std::string& name : report.unexpected) {
    usable &= may_differ && may_differ(name, /*missing=*/false);
  }
  if (!usable) {
    return absl::InvalidArgumentError(absl::StrCat(
        run.ref.checkpoint,
        ": is not a model of this configuration: ", report.Summary()));
  }
  if (!report.missing.empty()) {
    LogWarning(absl::StrCat(run.ref.checkpoint, ": ", report.missing.size(),
                            " tensors have their starting values, as it holds "
                            "none for them; the first is ",
                            report.missing[0]));
  }
  module->to(run.device);
  module->eval();
  return absl::OkStatus();
}

}  // namespace seg
