#include "common/backbones/pretrained.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/backbones/imagenet.h"
#include "common/backbones/state_dict.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/base/usage_error.h"
#include "common/io/file.h"
#include "common/io/tensor_map.h"
#include "common/io/weights.h"

namespace seg {
namespace {

absl::Status LoadBackboneWeights(EfficientNetLite& network,
                                 const std::string& path) {
  SEG_ASSIGN_OR_RETURN(TensorMap tensors, ReadWeights(path));
  const absl::Status status =
      LoadStateDict(*network, WithoutLiteClassifier(std::move(tensors)));
  return status.ok() ? status
                     : absl::Status(status.code(),
                                    absl::StrCat(path, ": ", status.message()));
}

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

absl::Status LoadPretrained(const std::string& weights, CaffeNet* network) {
  return Load(weights, "caffenet", network);
}

absl::Status LoadPretrained(const std::string& weights,
                            EfficientNetLite* network) {
  return Load(weights, absl::StrCat("efficientnet_lite", (*network)->variant()),
              network);
}

}  // namespace seg
