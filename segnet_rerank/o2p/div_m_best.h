// M different labellings of an image from the scores of its regions.
//
// Sources: Batra et al. 2012, "Diverse M-best solutions in Markov random
// fields", and its released code on O2P.
#ifndef SEGNET_RERANK_O2P_DIV_M_BEST_H_
#define SEGNET_RERANK_O2P_DIV_M_BEST_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/config/config.h"
#include "nlohmann/json.hpp"
#include "segnet_rerank/o2p/pasting.h"
#include "segnet_rerank/regions/regions.h"

namespace seg {
namespace segnet_rerank {

// How solutions after the first, which is plain pasting, come to differ.
//   kDivMBest: the released code's, for one image: lambda is taken off each
//     (region, label) that the last solution painted; what was taken off stays
//     so. Where that solution painted nothing, the threshold is lower by lambda
//     once. (There the background score of each region that was not painted is
//     lowered, and the largest one counts; and the threshold is searched anew
//     for each solution over the set of images.) With one threshold for all
//     solutions, empty and painted labellings may alternate.
//   kHamming: the general form of DivMBest, with the regions as nodes whose
//     labels are a class or the background: for each label that a node had in
//     an earlier solution lambda is taken off that label's score. So what was
//     not painted yet gains on the rest. The best regions by their advantage
//     over the background are painted, as in pasting.
//   kPerturb: pasting of scores with noise of its own in each solution, from
//     the Gumbel distribution with mean 0 and scale `perturbation`.
//   kMBest: no diversity: the next best of the function that plain pasting
//     maximises exactly. A solution is a set of at most most_regions pairs
//     (region, label), no region twice; its value is the sum of their scores
//     less, for the k-th best of them, threshold + k simplicity_bias.
enum class Diversity { kDivMBest, kHamming, kPerturb, kMBest };
SEG_DECLARE_ENUM(Diversity)

struct DivMBestConfig {
  Diversity diversity = Diversity::kDivMBest;
  int64_t proposals = 30;      // M
  double lambda = 0.08;        // of the released code
  double perturbation = 0.02;  // no source; choose it by validation

  static std::vector<KeyRule> Rules();
};
SEG_DECLARE_CONFIG(DivMBestConfig)

// What each of M solutions paints, best first within a solution.
//   scores: as in ChooseRegions.
//   key: of the noise of kPerturb.
// The scores that are handed on are the given ones, without lambda and noise.
// Where kMBest has fewer than M solutions at all, the first fills up.
// O(M R C), but for kMBest up to O(R C M^2 most_regions).
std::vector<std::vector<PaintedRegion>> DiverseChoices(
    const at::Tensor& scores, const PastingConfig& pasting,
    const DivMBestConfig& config, uint64_t key);

// The labellings of DiverseChoices, in its order; score is the sum of the
// scores of what is painted. The first has the greatest value, but later scores
// need not descend. Labellings may be equal: a choice may come back once others
// have lost as much, and regions may hide each other.
Proposals DivMBest(const at::Tensor& scores, const Regions& regions,
                   const PastingConfig& pasting, const DivMBestConfig& config,
                   uint64_t key);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_O2P_DIV_M_BEST_H_
