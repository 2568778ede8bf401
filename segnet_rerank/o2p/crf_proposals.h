// M different labellings of an image by a pairwise CRF over its superpixels:
// DivMBest where the best labelling of other energies than O2P's is sought.
//
// Source: Batra et al. 2012, "Diverse M-best solutions in Markov random
// fields"; the energy is ours.
#ifndef SEGNET_RERANK_O2P_CRF_PROPOSALS_H_
#define SEGNET_RERANK_O2P_CRF_PROPOSALS_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/config/config.h"
#include "common/solvers/superpixels.h"
#include "nlohmann/json.hpp"
#include "segnet_rerank/regions/regions.h"

namespace seg {
namespace segnet_rerank {

struct CrfConfig {
  int64_t proposals = 30;   // M
  double lambda = 0.5;      // for each superpixel and earlier solution
  double smoothness = 1.0;  // weight of the edges; 0: each superpixel alone
  double contrast = 10.0;   // CIELAB distance that makes an edge e times weaker

  static std::vector<KeyRule> Rules();
};
SEG_DECLARE_CONFIG(CrfConfig)

// Labellings of low energy
//   E(y) = sum_s -log p[s, y_s]
//          + smoothness sum_(a,b) l_ab exp(-d_ab / contrast) [y_a != y_b]
// over superpixels s and touching pairs (a, b): l their common boundary in
// sides of a mean superpixel, sqrt(H W / S); d the mean distance of colours
// across it. The first labelling has the least energy that alpha-expansion
// finds (two classes: the least there is); for each further one a superpixel
// pays lambda for each earlier solution in which it had the same label.
//   probabilities: float32/float64 [S,C] of each superpixel, in [0,1], below
//     1e-4 as 1e-4; 1 <= C <= 256, class 0 is the background.
//   superpixels: int32 [H,W], with their graph (MakeSuperpixelGraph).
//   returns: score is -E, without lambda. Labellings may be equal.
// Energies are rounded to thousandths, so that results are the same on every
// machine.
Proposals CrfProposals(const at::Tensor& probabilities,
                       const at::Tensor& superpixels,
                       const SuperpixelGraph& graph, const CrfConfig& config);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_O2P_CRF_PROPOSALS_H_
