#include "segnet_rerank/standardiser.h"

#include <ATen/ATen.h>

#include <limits>

namespace seg {
namespace segnet_rerank {

at::Tensor Standardiser::Apply(const at::Tensor& rows) const {
  TORCH_CHECK(rows.is_floating_point() && rows.dim() >= 1 &&
                  rows.size(-1) == mean.size(0),
              "Standardiser: rows must be floating [..,", mean.size(0),
              "], got ", rows.scalar_type(), " ", rows.sizes());
  return ((rows.to(at::kDouble) - mean) * inverse_deviation).to(at::kFloat);
}

StandardiserFit::StandardiserFit(int64_t features)
    : mean_(at::zeros({features}, at::kDouble)),
      squares_(at::zeros({features}, at::kDouble)),
      least_(at::full({features}, std::numeric_limits<double>::infinity(),
                      at::kDouble)),
      greatest_(-least_) {}

void StandardiserFit::Add(const at::Tensor& rows) {
  TORCH_CHECK(rows.is_floating_point() && rows.is_cpu() && rows.dim() == 2 &&
                  rows.size(1) == mean_.size(0),
              "StandardiserFit: rows must be floating [N,", mean_.size(0),
              "] on the CPU, got ", rows.scalar_type(), " ", rows.sizes(),
              " on ", rows.device());
  const int64_t added = rows.size(0);
  if (added == 0) return;
  const at::Tensor x = rows.to(at::kDouble);
  const at::Tensor mean = x.mean(0);
  const at::Tensor difference = mean - mean_;
  const double own = static_cast<double>(added);
  const double before = static_cast<double>(rows_);
  squares_ = squares_ + (x - mean).square().sum(0) +
             difference.square() * (before * own / (before + own));
  mean_ = mean_ + difference * (own / (before + own));
  least_ = at::minimum(least_, x.amin(0));
  greatest_ = at::maximum(greatest_, x.amax(0));
  rows_ += added;
}

Standardiser StandardiserFit::Finish() const {
  TORCH_CHECK(rows_ > 0, "StandardiserFit: no row was added");
  const at::Tensor deviation = (squares_ / static_cast<double>(rows_)).sqrt();
  const at::Tensor varies = greatest_.gt(least_) & deviation.gt(0);
  return {mean_, deviation.where(varies, at::ones_like(deviation))
                     .reciprocal()
                     .where(varies, at::zeros_like(deviation))};
}

}  // namespace segnet_rerank
}  // namespace seg
