// The fits of the pipeline, on tensors (stages.h says on which images).
#ifndef SEGNET_RERANK_FITTING_H_
#define SEGNET_RERANK_FITTING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "segnet_rerank/config.h"

namespace seg {
namespace segnet_rerank {

// Which regions of an image a scorer learns from, int64, at most `most` of
// them: the true ones, which are the last `truths` rows, then those that
// overlap an object by more than a half, best first, then others at equal
// distances in their order.
//   overlap: float32 [R,C], RegionOverlap of the regions, with the true ones
at::Tensor ChooseExamples(const at::Tensor& overlap, int64_t truths,
                          int64_t most);

// A support vector regression of each class on the overlap of regions with it,
// less the mean over the examples (Sec. 7.3 of our fact sheet).
//   rows: float32 [N,P]; overlap: float32 [N,C]
//   returns: float32 [C-1,P+1] for LinearScores
at::Tensor FitRegionScorer(const at::Tensor& rows, const at::Tensor& overlap,
                           const O2pConfig& config, uint64_t seed);

// A linear classifier for each of ImageTargets.
//   features: float32 [N,B]; areas: float64 [N,O]; thresholds: float64
//     [O,4], of the O classes that have image scores
//   c: of features whose root mean square length is 1, whatever it is
//   returns: float32 [5 O,B+1] for ScoreImage
at::Tensor FitImageScorer(const at::Tensor& features, const at::Tensor& areas,
                          const at::Tensor& thresholds, double c,
                          uint64_t seed);

// A ranker of all images, with the best of config.c by the corpus IoU of its
// picks in the last `held_out` images when it learns from the others.
//   name: for the log
//   rows: float32 [N,F], standardised, an image's proposals side by side
//   counts: int32 [N,C,3], CountByClass
//   sizes: proposals of each image
//   returns: float64 [F]
at::Tensor FitRanker(const std::string& name, const at::Tensor& rows,
                     const at::Tensor& counts,
                     const std::vector<int64_t>& sizes, int64_t held_out,
                     const RankConfig& config, uint64_t seed);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_FITTING_H_
