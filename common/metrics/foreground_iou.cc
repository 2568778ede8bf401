#include "common/metrics/foreground_iou.h"

#include <ATen/ATen.h>

#include <limits>

namespace seg {

void ForegroundIou::Add(const at::Tensor& prediction,
                        const at::Tensor& target) {
  TORCH_CHECK(prediction.sizes() == target.sizes(),
              "ForegroundIou: prediction must have the sizes of target ",
              target.sizes(), ", got ", prediction.sizes());
  TORCH_CHECK(target.dim() == 2 || target.dim() == 3,
              "ForegroundIou: target must be [H,W] or [N,H,W], got sizes ",
              target.sizes());
  TORCH_CHECK(at::isIntegralType(prediction.scalar_type(), false) &&
                  at::isIntegralType(target.scalar_type(), false),
              "ForegroundIou: prediction and target must be integers, got ",
              prediction.scalar_type(), " and ", target.scalar_type());
  if (target.dim() == 2)
    return Add(prediction.unsqueeze(0), target.unsqueeze(0));
  const at::Tensor labels = target.cpu();
  const at::Tensor known = labels.ne(ignore_label_);
  const at::Tensor predicted = prediction.cpu().ne(0) & known;
  const at::Tensor actual = labels.ne(0) & known;
  // Counts of each image, as doubles.
  const auto count = [](const at::Tensor& pixels) {
    return pixels.sum({1, 2}).to(at::kDouble);
  };
  constexpr double kEpsilon = 1e-6;  // the authors' code
  const at::Tensor iou =
      count(predicted & actual) / (count(predicted | actual) + kEpsilon);
  const at::Tensor kept = iou.masked_select(count(known).gt(0));
  images_ += kept.numel();
  sum_ += kept.sum().item<double>();
}

void ForegroundIou::Merge(const ForegroundIou& other) {
  images_ += other.images_;
  sum_ += other.sum_;
}

double ForegroundIou::mean() const {
  return images_ == 0 ? std::numeric_limits<double>::quiet_NaN()
                      : sum_ / static_cast<double>(images_);
}

}  // namespace seg
