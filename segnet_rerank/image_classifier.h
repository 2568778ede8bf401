// Image-level classes: is class c in the image, and does it cover at least t of
// it (section 9 of the fact sheet: classification and size-aware
// classification)? Linear scorers; what fits them is elsewhere.
#ifndef SEGNET_RERANK_IMAGE_CLASSIFIER_H_
#define SEGNET_RERANK_IMAGE_CLASSIFIER_H_

#include <array>
#include <cstdint>

#include "ATen/core/Tensor.h"

namespace seg {
namespace segnet_rerank {

// Sizes of a class, as shares of the training images that contain it.
constexpr std::array<double, 4> kAreaPercentiles = {0.2, 0.4, 0.6, 0.8};

// The classes that an image is asked for: all, or without class 0 where that is
// the background, which nearly every image has. K of them in what follows.
inline int64_t FirstObjectClass(bool background) { return background ? 1 : 0; }

// Shares of the known pixels that classes first .. C-1 cover.
//   truth: uint8 [H,W] on the CPU, any strides: < classes or ignore_label
//   first: FirstObjectClass
//   returns: float64 [K]; zeros where no pixel is known
at::Tensor ClassAreas(const at::Tensor& truth, int64_t classes,
                      int64_t ignore_label = 255, int64_t first = 1);

// areas: float64 [N,K], a row an image.
// returns: float64 [K,4], the areas of each class at kAreaPercentiles over
//   the images that contain it, interpolated; > 0, ascending. (Over all images
//   most would be 0.) Infinite for a class that no image contains: nothing is
//   that large.
at::Tensor AreaThresholds(const at::Tensor& areas);

// What the scorers learn, float32 [5 K,N] of 1 and -1: row k < K says
// whether the k-th class is there, row K + 4 k + j whether it covers at least
// thresholds[k][j].
//   areas: float64 [N,K]; thresholds: float64 [K,4]
at::Tensor ImageTargets(const at::Tensor& areas, const at::Tensor& thresholds);

struct ImageScores {
  at::Tensor class_scores;  // float32 [K]
  at::Tensor size_scores;   // float32 [K,4]
};

// weights: float32 [5 K,F+1], rows as those of the targets, the last column
//   is added as it is; features: float32 [F].
ImageScores ScoreImage(const at::Tensor& weights, const at::Tensor& features);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_IMAGE_CLASSIFIER_H_
