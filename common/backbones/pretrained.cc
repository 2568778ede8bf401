#include "common/backbones/pretrained.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/runfiles.h"
#include "common/base/usage_error.h"
#include "common/io/file.h"

namespace seg {
namespace {

template <class Network>
absl::Status Load(const std::string& weights, const std::string& backbone,
                  Network* network) {
  if (weights.empty()) return absl::OkStatus();
  if (weights != "imagenet") {
    return LoadBackboneWeights(*network, ExpandHome(weights));
  }
  if (!absl::StartsWith(backbone, "efficientnet_lite")) {
    return UsageError(absl::InvalidArgumentError(absl::StrCat(
        "weights: imagenet weights come with efficientnet_lite0, 1 and 2; for ",
        backbone, " name a .pth or .safetensors file")));
  }
  return LoadBackboneWeights(*network,
                             Runfile(backbone + ".pth", backbone + "_weights"));
}

}  // namespace

absl::Status LoadPretrained(const std::string& weights, Fcn* fcn) {
  return Load(weights, (*fcn)->options().backbone(), fcn);
}

absl::Status LoadPretrained(const std::string& weights,
                            FeaturePyramid* pyramid) {
  return Load(weights, (*pyramid)->backbone(), pyramid);
}

absl::Status LoadPretrained(const std::string& weights, DeepLabV3* network) {
  return Load(weights, (*network)->options().backbone(), network);
}

}  // namespace seg
