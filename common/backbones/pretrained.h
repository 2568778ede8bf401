// The `weights` key of a configuration: where a backbone starts from.
#ifndef COMMON_BACKBONES_PRETRAINED_H_
#define COMMON_BACKBONES_PRETRAINED_H_

#include <string>

#include "absl/status/status.h"
#include "common/backbones/caffenet.h"
#include "common/backbones/deeplab_v3.h"
#include "common/backbones/efficientnet_lite.h"
#include "common/backbones/fcn.h"
#include "common/backbones/feature_pyramid.h"

namespace seg {

// Loads what `weights` names into the backbone:
//   ""          nothing: the random start
//   "imagenet"  the published weights of efficientnet_lite0, 1 and 2, which the
//               build fetches; another backbone is a usage error
//   a path      a .pth or .safetensors file (LoadBackboneWeights)
absl::Status LoadPretrained(const std::string& weights, Fcn* fcn);
absl::Status LoadPretrained(const std::string& weights,
                            FeaturePyramid* pyramid);
absl::Status LoadPretrained(const std::string& weights, DeepLabV3* network);
// A backbone by itself.
absl::Status LoadPretrained(const std::string& weights, CaffeNet* network);
absl::Status LoadPretrained(const std::string& weights,
                            EfficientNetLite* network);

}  // namespace seg

#endif  // COMMON_BACKBONES_PRETRAINED_H_
