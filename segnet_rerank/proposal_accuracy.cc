#include "segnet_rerank/proposal_accuracy.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "common/metrics/confusion_matrix.h"

namespace seg {
namespace segnet_rerank {

at::Tensor CountByClass(const at::Tensor& labels, const at::Tensor& truth,
                        int64_t classes, int64_t ignore_label) {
  TORCH_CHECK(
      labels.dim() == 3 && labels.scalar_type() == at::kByte && labels.is_cpu(),
      "CountByClass: labels must be uint8 [M,H,W] on the CPU, got ",
      labels.scalar_type(), " ", labels.sizes(), " on ", labels.device());
  TORCH_CHECK(truth.scalar_type() == at::kByte && truth.is_cpu() &&
                  truth.sizes() == labels.sizes().slice(1),
              "CountByClass: truth must be uint8 [H,W] on the CPU for labels ",
              labels.sizes(), ", got ", truth.scalar_type(), " ", truth.sizes(),
              " on ", truth.device());
  const int64_t m = labels.size(0);
  at::Tensor result = at::zeros({m, classes, 3}, at::kLong);
  int64_t* const out = result.mutable_data_ptr<int64_t>();
  at::parallel_for(0, m, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      ConfusionMatrix confusion(classes, ignore_label);
      confusion.Add(labels[i], truth);
      int64_t* const counts = out + i * classes * 3;
      for (int64_t t = 0; t < classes; ++t) {
        for (int64_t c = 0; c < classes; ++c) {
          const int64_t count = confusion.count(t, c);
          if (t == c) {
            counts[3 * c] += count;
          } else {
            counts[3 * c + 1] += count;
            counts[3 * t + 2] += count;
          }
        }
      }
    }
  });
  return result;
}

at::Tensor MeanIouOfCounts(const at::Tensor& counts) {
  TORCH_CHECK(counts.dim() >= 2 && counts.size(-1) == 3 &&
                  counts.scalar_type() == at::kLong,
              "MeanIouOfCounts: counts must be int64 [..,C,3], got ",
              counts.scalar_type(), " ", counts.sizes());
  const at::Tensor total = counts.sum(-1).to(at::kDouble);
  const at::Tensor iou =
      counts.select(-1, 0).to(at::kDouble) / total.clamp_min(1);
  return iou.sum(-1) / total.gt(0).sum(-1).to(at::kDouble);  // 0 / 0 is NaN
}

at::Tensor ProposalAccuracies(const at::Tensor& counts) {
  const at::Tensor mean = MeanIouOfCounts(counts);
  return mean.where(mean.isnan().logical_not(), at::zeros_like(mean));
}

int64_t OraclePick(const at::Tensor& accuracies, int64_t k) {
  TORCH_CHECK(accuracies.dim() == 1 && accuracies.size(0) >= 1 &&
                  accuracies.scalar_type() == at::kDouble,
              "OraclePick: accuracies must be float64 [M], M >= 1, got ",
              accuracies.scalar_type(), " ", accuracies.sizes());
  TORCH_CHECK(k >= 1, "OraclePick: k must be at least 1, got ", k);
  const at::Tensor values = accuracies.contiguous();
  const double* const first = values.const_data_ptr<double>();
  return std::max_element(first, first + std::min(k, values.size(0))) - first;
}

}  // namespace segnet_rerank
}  // namespace seg
