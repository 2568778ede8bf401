// What the ranker knows about a proposal (Cogswell et al. 2014, "Features";
// section 9 of the fact sheet): agreement with the coarse network, scores of
// image classifiers, and what can be read off the labelling alone.
//
// With C classes, P = C (C-1) / 2 pairs a < b of them (in the order (0,1),
// (0,2), .. (1,2), ..), and sizes at C = 21:
//
//   section  group                size
//   1   segnet_kl                2        sum over the cells of KL(ph || q), of
//                                         KL(q || ph); both smoothed
//   1   segnet_overlap           4C   84  expected intersections I (C of
//                                         them), unions U, I / U, U / I
//   2   classification           K    20  the score of class c where c is in
//                                         the proposal, else 0
//   2   size_classification      4K   80  of class c and percentile j, where
//                                         c covers at least t_cj, else 0
//   3   centroids                2P  420  label_pairs.h
//   3   pair_mass                P   210  label_pairs.h
//   3   co_occurrence            P   210  label_pairs.h
//   3   contours                 120 120  contours.h
//   3   score                    1        what the proposals' maker thinks
//   3   rank                     1        1 / (m + 1), m = 0 for the first
//   3   areas                    C    21  shares of the image
//   3   distance_to_first        1        share of pixels that differ from
//                                         proposal 0
//   3   pair_mass_chi_square     5P 1050  chi_square_map.h; an option
//   3   co_occurrence_chi_square 5P 1050  likewise
//
// K classes have image scores: C - 1, as class 0 is the background, or all
// where there is none. 1170 features of 21 classes, 3270 with the option. The
// paper counts 2152. Of its third section, the 1966 of an earlier re-ranker,
// about 980 are public; the four after the contours are ours. Those of the 980
// that repeat another group (the class scores of the labels that are present)
// are there once.
//
// A score of the image is the same for all of its proposals and cancels in a
// linear ranker: hence it counts only for a proposal that has the class.
#ifndef SEGNET_RERANK_RANKING_FEATURES_H_
#define SEGNET_RERANK_RANKING_FEATURES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"

namespace seg {
namespace segnet_rerank {

struct RankingFeaturesOptions {
  // e of (v + e) / (1 + C e), for ph and for q, which has zeros; > 0. (The
  // paper is silent.)
  double smoothing = 1e-3;
  // U / I is U / max(I, this), in cells; > 0. A class that SegNet sees and the
  // proposal lacks has I = 0, and would drown the others.
  double least_intersection = 0.5;
  bool chi_square_maps = false;
  // Whether class 0 is a background, which has no image scores.
  bool background = true;
};

struct FeatureGroup {
  std::string name;
  int64_t first = 0, size = 0;  // columns first .. first + size - 1
  int64_t section = 0;          // 1, 2 or 3, the paper's subsets
};

// The groups in the order of their columns, without gaps. classes >= 1.
std::vector<FeatureGroup> FeatureLayout(
    int64_t classes, const RankingFeaturesOptions& options = {});

int64_t NumFeatures(const std::vector<FeatureGroup>& layout);

// int64, ascending: the columns of the groups of these sections.
at::Tensor ColumnsOfSections(const std::vector<FeatureGroup>& layout,
                             const std::vector<int64_t>& sections);

// One image, on the CPU; any strides.
struct RankingInput {
  at::Tensor coarse;  // ph, float32 [C,g,g]: class shares by the network
  at::Tensor shares;  // q, float32 [M,C,g,g]: class shares of the proposals
  at::Tensor labels;  // uint8 [M,H,W], < C: the proposals, M >= 1
  at::Tensor score;   // float32 [M]: of the proposals
  at::Tensor class_scores;     // float32 [K]: of the last K classes
  at::Tensor size_scores;      // float32 [K,4]: image_classifier.h
  at::Tensor area_thresholds;  // float64 [K,4]: shares of an image, or inf
  at::Tensor contours;         // float32 [H,W]: ContourStrength of contours.h
};

// returns: float32 [M,F], row m of proposal m. Finite where the input is.
// Throws on wrong shapes, types and labels. O(M (H W + F)), threads share the
// proposals; the result does not depend on their number.
at::Tensor RankingFeatures(const RankingInput& input,
                           const RankingFeaturesOptions& options = {});

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_RANKING_FEATURES_H_
