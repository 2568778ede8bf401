// What training fits besides the network: it is kept in the model's buffers.
#ifndef SEGNET_RERANK_FITTED_H_
#define SEGNET_RERANK_FITTED_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "common/io/tensor_map.h"
#include "segnet_rerank/config.h"
#include "segnet_rerank/standardiser.h"

namespace seg {
namespace segnet_rerank {

// A ranker that sees some of the features: sections of ranking_features.h.
struct RankerKind {
  std::string name;               // of the output that it picks
  std::vector<int64_t> sections;  // 1 SegNet, 2 classification, 3 ReRank
};

// The paper's subsets; the first sees all.
const std::vector<RankerKind>& RankerKinds();

// C classes, O of them with image scores (FirstObjectClass), K numbers of a
// region (RegionVectorSize), P = o2p.dimensions axes (both 0, and no scorer of
// regions, where a random field makes the proposals), B features of an image
// (kImageFeatures), F features of a proposal, S rankers.
struct Fitted {
  at::Tensor axes;             // float32 [K,P]; columns of 0 fill up
  at::Tensor region_scorer;    // float32 [C-1,P+1]; the last is added as it is
  at::Tensor threshold;        // float64 []: the background's score
  at::Tensor image_scorer;     // float32 [5 O,B+1]: ScoreImage
  at::Tensor area_thresholds;  // float64 [O,4]
  Standardiser standardiser;   // [F]
  at::Tensor rankers;          // float64 [S,F]; 0 where a ranker sees nothing
};

// Length of ImageFeatures::EfficientNetLite0.
constexpr int64_t kImageFeatures = 320;

// All 0 (area thresholds infinite): a system that was not trained. It paints
// nothing.
Fitted UntrainedFitted(const Config& config, int64_t classes);

// By name: "axes", "region_scorer", .. ; views.
TensorMap ToTensors(const Fitted& fitted);

// The reverse; an error that names the tensor where one is missing.
absl::StatusOr<Fitted> FromTensors(const TensorMap& tensors);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_FITTED_H_
