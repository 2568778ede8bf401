// Greedy pasting, the inference of O2P: the few regions that look most like an
// object are painted over each other.
//
// Source: the released code of Carreira et al. 2012, "Semantic segmentation
// with second-order pooling".
#ifndef SEGNET_RERANK_O2P_PASTING_H_
#define SEGNET_RERANK_O2P_PASTING_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/config/config.h"
#include "nlohmann/json.hpp"
#include "segnet_rerank/regions/regions.h"

namespace seg {
namespace segnet_rerank {

struct PastingConfig {
  double threshold = 0.2;  // the background's score: ChooseThreshold
  int64_t most_regions = 3;
  double simplicity_bias = 0.02;

  static std::vector<KeyRule> Rules();
};
SEG_DECLARE_CONFIG(PastingConfig)

// A region with what it is painted as.
struct PaintedRegion {
  int64_t region = 0;
  int64_t label = 0;   // 1 .. C-1
  double score = 0.0;  // of this label
};

// Chooses the regions of an image, best first. A region's label is the one of
// its best score. The k-th best region (k = 0, 1, ..) is painted if k <
// most_regions and its score exceeds threshold + k simplicity_bias. First ones
// win ties, of labels and of regions.
//   scores: float32/float64 [R,C-1] of a region as label 1 + column, finite, on
//     the CPU. R and C-1 may be 0.
// In the released code regions labelled background count against most_regions.
// They cannot displace others here or there: their score is the threshold,
// which every painted region exceeds.
std::vector<PaintedRegion> ChooseRegions(const at::Tensor& scores,
                                         const PastingConfig& config);

// Paints chosen regions, best first, so that better ones lie on top; 0
// elsewhere.
//   painted: of labels 1 .. 255.
//   returns: uint8 [H,W]
at::Tensor PaintRegions(const std::vector<PaintedRegion>& painted,
                        const Regions& regions);

// The threshold for which a set of images has few enough painted regions: the
// first of start, start + step, .. at which ChooseRegions chooses at most
// `target` regions an image on average (2.2 in the released code: the objects
// of a training image). config.threshold is not read. `start` for no images.
// Choose it on the images of training and fix it: on a single image the same
// rule would allow two regions at most.
double ChooseThreshold(const std::vector<at::Tensor>& scores,
                       const PastingConfig& config, double target = 2.2,
                       double start = 0.20, double step = 0.01);

// What ChooseThreshold needs of the scores of an image, whatever the number of
// its regions and labels: the best scores of the `most_regions` best regions,
// [min(R,most_regions),1], best first.
at::Tensor BestScores(const at::Tensor& scores, int64_t most_regions);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_O2P_PASTING_H_
