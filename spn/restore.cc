#include "spn/restore.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"

namespace seg {
namespace spn {

absl::StatusOr<Restored> Restore(const MainArgs& args) {
  Restored restored;
  SEG_ASSIGN_OR_RETURN(restored.run, OpenRun(args, &restored.config));
  restored.model = Model(restored.config, restored.run.info);
  SEG_ASSIGN_OR_RETURN(const std::vector<std::string> missing,
                       LoadRunWeights(restored.run, restored.model.get(),
                                      [](const std::string&) { return true; }));
  if (!missing.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        restored.run.checkpoint, ": lacks ", missing.size(),
        " tensors that this configuration needs, the first: ", missing[0]));
  }
  return restored;
}

}  // namespace spn
}  // namespace seg
