#include "segnet_rerank/image_classifier.h"

#include <ATen/ATen.h>

#include <limits>

namespace seg {
namespace segnet_rerank {
namespace {

constexpr int64_t kSizes = static_cast<int64_t>(kAreaPercentiles.size());

void CheckAreas(const char* caller, const at::Tensor& areas) {
  TORCH_CHECK(areas.dim() == 2 && areas.scalar_type() == at::kDouble, caller,
              ": areas must be float64 [N,K], got ", areas.scalar_type(), " ",
              areas.sizes());
}

}  // namespace

at::Tensor ClassAreas(const at::Tensor& truth, int64_t classes,
                      int64_t ignore_label, int64_t first) {
  TORCH_CHECK(truth.dim() == 2 && truth.scalar_type() == at::kByte &&
                  truth.is_cpu() && classes >= 1,
              "ClassAreas: truth must be uint8 [H,W] on the CPU, got ",
              truth.scalar_type(), " ", truth.sizes(), " on ", truth.device(),
              " and ", classes, " classes");
  const at::Tensor known =
      truth.masked_select(truth.ne(ignore_label)).to(at::kLong);
  if (known.numel() == 0) return at::zeros({classes - first}, at::kDouble);
  const at::Tensor counts = at::bincount(known, {}, classes);
  TORCH_CHECK(counts.size(0) == classes, "ClassAreas: truth has label ",
              counts.size(0) - 1, ", which is neither in 0..", classes - 1,
              " nor the ignore label ", ignore_label);
  return counts.slice(0, first).to(at::kDouble) /
         static_cast<double>(known.numel());
}

at::Tensor AreaThresholds(const at::Tensor& areas) {
  CheckAreas("AreaThresholds", areas);
  const at::Tensor quantiles = at::tensor(
      at::ArrayRef<double>(kAreaPercentiles.data(), kSizes), at::kDouble);
  at::Tensor thresholds =
      at::full({areas.size(1), kSizes}, std::numeric_limits<double>::infinity(),
               at::kDouble);
  for (int64_t c = 0; c < areas.size(1); ++c) {
    const at::Tensor column = areas.select(1, c);
    const at::Tensor present = column.masked_select(column.gt(0));
    if (present.numel() == 0) continue;
    thresholds.select(0, c).copy_(at::quantile(present, quantiles));
  }
  return thresholds;
}

at::Tensor ImageTargets(const at::Tensor& areas, const at::Tensor& thresholds) {
  CheckAreas("ImageTargets", areas);
  const int64_t n = areas.size(0), classes = areas.size(1);
  TORCH_CHECK(thresholds.scalar_type() == at::kDouble &&
                  thresholds.sizes() == at::IntArrayRef({classes, kSizes}),
              "ImageTargets: thresholds must be float64 [", classes, ",",
              kSizes, "], got ", thresholds.scalar_type(), " ",
              thresholds.sizes());
  const at::Tensor by_class = areas.t();
  const at::Tensor there = by_class.gt(0);
  const at::Tensor covers =
      by_class.unsqueeze(1).ge(thresholds.unsqueeze(2)) & there.unsqueeze(1);
  return at::cat({there, covers.reshape({kSizes * classes, n})})
                 .to(at::kFloat) *
             2 -
         1;
}

ImageScores ScoreImage(const at::Tensor& weights, const at::Tensor& features) {
  TORCH_CHECK(features.dim() == 1 && features.scalar_type() == at::kFloat,
              "ScoreImage: features must be float32 [F], got ",
              features.scalar_type(), " ", features.sizes());
  const int64_t count = features.size(0);
  TORCH_CHECK(weights.dim() == 2 && weights.scalar_type() == at::kFloat &&
                  weights.size(0) % (1 + kSizes) == 0 &&
                  weights.size(1) == count + 1,
              "ScoreImage: weights must be float32 [5 K,", count + 1, "], got ",
              weights.scalar_type(), " ", weights.sizes());
  const int64_t classes = weights.size(0) / (1 + kSizes);
  const at::Tensor scores =
      weights.narrow(1, 0, count).mv(features) + weights.select(1, count);
  return {scores.narrow(0, 0, classes),
          scores.narrow(0, classes, kSizes * classes).view({classes, kSizes})};
}

}  // namespace segnet_rerank
}  // namespace seg
