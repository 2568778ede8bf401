#include "segnet_rerank/proposal_accuracy.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

namespace seg {
namespace segnet_rerank {
namespace {

// For each pixel the first cell of its true class in a table [C + 1, C], whose
// last row takes what does not count.
std::vector<uint16_t> RowsOfTable(const at::Tensor& truth, int64_t classes,
                                  int64_t ignore_label) {
  const at::Tensor input = truth.contiguous();
  const uint8_t* const labels = input.const_data_ptr<uint8_t>();
  std::vector<uint16_t> rows(input.numel());
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool ignored = labels[i] == ignore_label;
    TORCH_CHECK(ignored || labels[i] < classes,
                "CountByClass: truth has label ",
                static_cast<int64_t>(labels[i]), ", which is neither in 0..",
                classes - 1, " nor the ignore label ", ignore_label);
    rows[i] = static_cast<uint16_t>((ignored ? classes : labels[i]) * classes);
  }
  return rows;
}

}  // namespace

at::Tensor CountByClass(const at::Tensor& labels, const at::Tensor& truth,
                        int64_t classes, int64_t ignore_label) {
  // The table of 255 classes is the largest with 16-bit indices.
  TORCH_CHECK(classes >= 1 && classes <= 255,
              "CountByClass: classes must be 1 .. 255, got ", classes);
  TORCH_CHECK(
      labels.dim() == 3 && labels.scalar_type() == at::kByte && labels.is_cpu(),
      "CountByClass: labels must be uint8 [M,H,W] on the CPU, got ",
      labels.scalar_type(), " ", labels.sizes(), " on ", labels.device());
  TORCH_CHECK(truth.scalar_type() == at::kByte && truth.is_cpu() &&
                  truth.sizes() == labels.sizes().slice(1),
              "CountByClass: truth must be uint8 [H,W] on the CPU for labels ",
              labels.sizes(), ", got ", truth.scalar_type(), " ", truth.sizes(),
              " on ", truth.device());
  const int64_t m = labels.size(0), pixels = truth.numel();
  at::Tensor result = at::zeros({m, classes, 3}, at::kLong);
  if (result.numel() == 0 || pixels == 0) return result;
  const int64_t greatest = labels.max().item<int64_t>();
  TORCH_CHECK(greatest < classes, "CountByClass: labels must be below ",
              classes, ", got ", greatest);
  const std::vector<uint16_t> rows = RowsOfTable(truth, classes, ignore_label);
  const at::Tensor input = labels.contiguous();
  const uint8_t* const first = input.const_data_ptr<uint8_t>();
  int64_t* const out = result.mutable_data_ptr<int64_t>();
  at::parallel_for(0, m, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const uint8_t* const own = first + i * pixels;
      std::vector<int64_t> table((classes + 1) * classes, 0);
      for (int64_t p = 0; p < pixels; ++p) ++table[rows[p] + own[p]];
      int64_t* const counts = out + i * classes * 3;
      for (int64_t t = 0; t < classes; ++t) {
        for (int64_t c = 0; c < classes; ++c) {
          const int64_t count = table[t * classes + c];
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
