// Scores near object boundaries.
//
// TrimapIou: confusion matrices over a band around the boundaries of the ground
// truth, for several widths (Kohli, Ladicky and Torr 2009; Kraehenbuehl and
// Koltun 2011, Sec. 6, who plot them over the width). A pixel is in the band of
// radius r if some pixel with another ground-truth label is at most r away,
// Euclidean, centre to centre, exact. So r = 1 takes the two pixels on either
// side of a boundary, and the band of radius r is about 2 r pixels wide. The
// border of the image is not a boundary. Ignored pixels are never counted;
// their region acts as "another label", for data sets that paint a void line
// over object contours (PASCAL VOC).
//
// BoundaryIou: intersection over union of inner boundary regions of target and
// prediction (Cheng et al. 2021, "Boundary IoU"): for each class, the pixels of
// its mask that a (2 d + 1)^2 square erosion removes, the outside of the image
// counted as background, as the authors' code does with d erosions by 3 x 3.
// d = max(1, round(ratio * diagonal)), ratio 0.02 there. Counts are summed over
// images. Ignored pixels belong to no target mask and are not counted in
// intersection and union.

#ifndef COMMON_METRICS_BOUNDARY_IOU_H_
#define COMMON_METRICS_BOUNDARY_IOU_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "common/metrics/confusion_matrix.h"

namespace seg {

struct TrimapOptions {
  std::vector<double> radii = {1, 2, 4, 8, 16};  // pixels, each > 0
  int64_t ignore_label = 255;
};

class TrimapIou {
 public:
  explicit TrimapIou(int64_t num_classes, TrimapOptions options = {});

  // prediction, target: [H, W] or [N, H, W], any integer types; bytes are read
  // as they are, others as int64.
  void Add(const at::Tensor& prediction, const at::Tensor& target);
  // Adds the counts of an evaluator with the same classes and radii.
  void Merge(const TrimapIou& other);

  const std::vector<double>& radii() const { return options_.radii; }
  // Counts in the band of radii()[i].
  const ConfusionMatrix& confusion(size_t i) const { return matrices_.at(i); }

 private:
  int64_t num_classes_;
  TrimapOptions options_;
  std::vector<ConfusionMatrix> matrices_;
};

// Squared distance of each pixel of target [H, W] (int64 labels) to the nearest
// pixel with another label, int64 [H, W]; kNoSource where there is none, and at
// ignored pixels. O(H W) a label that occurs; FindBoundaryBand gives the same
// near boundaries, for all labels at once.
at::Tensor SquaredDistanceToBoundary(const at::Tensor& target,
                                     int64_t ignore_label);

class BoundaryIou {
 public:
  explicit BoundaryIou(int64_t num_classes, double ratio = 0.02,
                       int64_t ignore_label = 255);

  // prediction, target: [H, W] or [N, H, W], any integer types.
  void Add(const at::Tensor& prediction, const at::Tensor& target);
  void Merge(const BoundaryIou& other);

  // NaN for a class that had no boundary pixel in targets and predictions.
  std::vector<double> Iou() const;
  double MeanIou() const;

 private:
  int64_t num_classes_;
  double ratio_;
  int64_t ignore_label_;
  std::vector<int64_t> intersections_;
  std::vector<int64_t> unions_;
};

// bool [H, W] -> bool [H, W]: pixels of `mask` within Chebyshev distance d of a
// pixel that is not in it, or of the outside of the image.
at::Tensor InnerBoundary(const at::Tensor& mask, int64_t d);

}  // namespace seg

#endif  // COMMON_METRICS_BOUNDARY_IOU_H_
