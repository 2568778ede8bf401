// Proposals of the second kind: diverse labellings of a conditional random
// field over superpixels, for images that regions on a background do not
// describe (streets). Sec. 8 of our fact sheet.
#ifndef SEGNET_RERANK_CRF_PROPOSALS_H_
#define SEGNET_RERANK_CRF_PROPOSALS_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/config/config.h"
#include "nlohmann/json.hpp"
#include "segnet_rerank/regions/regions.h"

namespace seg {
namespace segnet_rerank {

// Energy of labels y of the superpixels, areas and boundary lengths in units of
// their means over the image:
//   E(y) = - sum_s area_s log p_s(y_s)
//          + edge_weight sum over neighbours (s, t) of
//            length_st exp(-d_st / (2 edge_sigma^2)) [y_s != y_t]
// d_st is the colour contrast along the boundary, 1 at its mean over the image;
// p is smoothed, (p + smoothing) / (1 + C smoothing).
struct CrfConfig {
  double edge_weight = 1.0;
  double edge_sigma = 0.5;
  double smoothing = 0.01;
  // What each earlier solution with the same label costs a superpixel of mean
  // area.
  double lambda = 0.2;

  static std::vector<KeyRule> Rules();
};
SEG_DECLARE_CONFIG(CrfConfig)

// `count` labellings by DivMBest (DiverseM of common/solvers/
// alpha_expansion.h), the first without the diversity term; score is minus the
// energy, per superpixel.
//   image: uint8 [3,H,W]; superpixels: int32 [H,W], 0 .. S-1
//   distribution: float32 [S,C], p; rows sum to 1
// Labels that are nowhere above a hundredth are left out. Deterministic.
Proposals CrfProposals(const at::Tensor& image, const at::Tensor& superpixels,
                       const at::Tensor& distribution, const CrfConfig& config,
                       int64_t count);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_CRF_PROPOSALS_H_
