#include "common/backbones/pretrained.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/runfiles.h"
#include "common/config/main.h"

namespace seg {

absl::Status LoadPretrained(const std::string& weights, Fcn* fcn) {
  if (weights.empty()) return absl::OkStatus();
  if (weights != "imagenet") return LoadBackboneWeights(*fcn, weights);
  const std::string& backbone = (*fcn)->options().backbone();
  if (!absl::StartsWith(backbone, "efficientnet_lite")) {
    return UsageError(absl::InvalidArgumentError(absl::StrCat(
        "model.weights: imagenet weights come with efficientnet_lite0, 1 and "
        "2; for ",
        backbone, " name a .pth or .safetensors file")));
  }
  return LoadBackboneWeights(*fcn,
                             Runfile(backbone + ".pth", backbone + "_weights"));
}

}  // namespace seg
