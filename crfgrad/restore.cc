#include "crfgrad/restore.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace seg {
namespace crfgrad {

absl::StatusOr<Restored> Restore(const MainArgs& args) {
  Restored restored;
  SEG_ASSIGN_OR_RETURN(restored.run, OpenRun(args, &restored.config));
  restored.model = Model(restored.config, restored.run.info.num_classes());
  SEG_ASSIGN_OR_RETURN(const std::vector<std::string> missing,
                       LoadRunWeights(restored.run, restored.model.get(),
                                      [](const std::string& name) {
                                        return absl::StartsWith(name, "crf.");
                                      }));
  if (!missing.empty()) {
    LogWarning(
        "the CRF layer has its starting weights; the checkpoint holds none");
  }
  return restored;
}

}  // namespace crfgrad
}  // namespace seg
