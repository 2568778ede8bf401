#include "segnet_rerank/fitted.h"

#include <ATen/ATen.h>

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "segnet_rerank/image_analysis.h"
#include "segnet_rerank/image_classifier.h"
#include "segnet_rerank/ranking_features.h"

namespace seg {
namespace segnet_rerank {
namespace {

// The members by name, in one place.
std::vector<std::pair<std::string, at::Tensor*>> Members(Fitted* fitted) {
  return {
      {"axes", &fitted->axes},
      {"region_scorer", &fitted->region_scorer},
      {"threshold", &fitted->threshold},
      {"image_scorer", &fitted->image_scorer},
      {"area_thresholds", &fitted->area_thresholds},
      {"feature_mean", &fitted->standardiser.mean},
      {"feature_inverse_deviation", &fitted->standardiser.inverse_deviation},
      {"rankers", &fitted->rankers}};
}

}  // namespace

const std::vector<RankerKind>& RankerKinds() {
  static const auto* const kinds =
      new std::vector<RankerKind>{{"ranker", {1, 2, 3}},
                                  {"ranker_segnet", {1}},
                                  {"ranker_classification", {2}},
                                  {"ranker_rerank", {3}},
                                  {"ranker_classification_rerank", {2, 3}},
                                  {"ranker_segnet_rerank", {1, 3}}};
  return *kinds;
}

Fitted UntrainedFitted(const Config& config, int64_t classes) {
  const bool pasted = config.generator == Generator::kO2p;
  const int64_t axes = pasted ? config.o2p.dimensions : 0;
  const int64_t objects = classes - FirstObjectClass(config.background);
  const int64_t features =
      NumFeatures(FeatureLayout(classes, FeaturesOptions(config)));
  const int64_t rankers = static_cast<int64_t>(RankerKinds().size());
  Fitted fitted;
  fitted.axes = at::zeros({pasted ? RegionVectorSize(config.o2p) : 0, axes});
  fitted.region_scorer = at::zeros({pasted ? classes - 1 : 0, axes + 1});
  fitted.threshold = at::zeros({}, at::kDouble);
  fitted.image_scorer =
      at::zeros({objects * (1 + static_cast<int64_t>(kAreaPercentiles.size())),
                 kImageFeatures + 1});
  fitted.area_thresholds =
      at::full({objects, static_cast<int64_t>(kAreaPercentiles.size())},
               std::numeric_limits<double>::infinity(), at::kDouble);
  fitted.standardiser.mean = at::zeros({features}, at::kDouble);
  fitted.standardiser.inverse_deviation = at::zeros({features}, at::kDouble);
  fitted.rankers = at::zeros({rankers, features}, at::kDouble);
  return fitted;
}

TensorMap ToTensors(const Fitted& fitted) {
  Fitted views = fitted;
  TensorMap tensors;
  for (const auto& [name, tensor] : Members(&views)) tensors[name] = *tensor;
  return tensors;
}

absl::StatusOr<Fitted> FromTensors(const TensorMap& tensors) {
  Fitted fitted;
  for (const auto& [name, tensor] : Members(&fitted)) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": is missing"));
    }
    *tensor = found->second;
  }
  return fitted;
}

}  // namespace segnet_rerank
}  // namespace seg
