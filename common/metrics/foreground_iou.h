// Intersection over union of foreground and true foreground, image by image:
//   mean over images of |both| / (|either| + 1e-6)
// where a label other than 0 is foreground, of any part or class.
// (ConfusionMatrix counts the pixels; its IoU is over all images at once and
// NaN where neither side has foreground, which is 0 here.)
//
// Source: He et al. 2022 (GANSeg) and its code, after ReDO (Chen et al. 2019).
#ifndef COMMON_METRICS_FOREGROUND_IOU_H_
#define COMMON_METRICS_FOREGROUND_IOU_H_

#include <cstdint>

#include "ATen/core/Tensor.h"

namespace seg {

class ForegroundIou {
 public:
  explicit ForegroundIou(int64_t ignore_label = 255)
      : ignore_label_(ignore_label) {}

  // prediction, target: [H,W] or [N,H,W], same sizes, any integer types.
  // Pixels whose target is ignore_label count on neither side. An image of
  // nothing else is left out.
  void Add(const at::Tensor& prediction, const at::Tensor& target);
  void Merge(const ForegroundIou& other);

  int64_t images() const { return images_; }
  double mean() const;  // NaN without images

 private:
  int64_t ignore_label_;
  int64_t images_ = 0;
  double sum_ = 0.0;
};

}  // namespace seg

#endif  // COMMON_METRICS_FOREGROUND_IOU_H_
