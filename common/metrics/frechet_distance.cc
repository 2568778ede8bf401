#include "common/metrics/frechet_distance.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

namespace seg {
namespace {

// Eigenvalues of a matrix that has none below zero but for rounding.
at::Tensor WithoutNoise(const at::Tensor& eigenvalues) {
  const double noise = static_cast<double>(eigenvalues.numel()) *
                       std::numeric_limits<double>::epsilon() *
                       eigenvalues.abs().max().item<double>();
  return at::where(eigenvalues > noise, eigenvalues,
                   at::zeros_like(eigenvalues));
}

}  // namespace

FeatureStatistics::FeatureStatistics(int64_t features) {
  TORCH_CHECK(features >= 1,
              "FeatureStatistics: features must be at least 1, got ", features);
  mean_ = at::zeros({features}, at::kDouble);
  scatter_ = at::zeros({features, features}, at::kDouble);
}

void FeatureStatistics::Add(const at::Tensor& x) {
  TORCH_CHECK(x.dim() == 2 && x.size(1) == features(),
              "FeatureStatistics: x must be [N,", features(), "], got sizes ",
              x.sizes());
  TORCH_CHECK(at::isFloatingType(x.scalar_type()),
              "FeatureStatistics: x must be floating point, got ",
              x.scalar_type());
  if (x.size(0) == 0) return;
  const at::Tensor rows = x.detach().to(at::kCPU, at::kDouble);
  const at::Tensor mean = rows.mean(0);
  const at::Tensor off = rows - mean;
  Merge(x.size(0), mean, off.t().mm(off));
}

void FeatureStatistics::Merge(const FeatureStatistics& other) {
  TORCH_CHECK(other.features() == features(),
              "FeatureStatistics: cannot merge ", other.features(),
              " features into ", features());
  if (other.count_ > 0) Merge(other.count_, other.mean_, other.scatter_);
}

void FeatureStatistics::Merge(int64_t count, const at::Tensor& mean,
                              const at::Tensor& scatter) {
  const double own = static_cast<double>(count_);
  const double more = static_cast<double>(count);
  const at::Tensor step = mean - mean_;
  scatter_ =
      scatter_ + scatter + at::outer(step, step) * (own * more / (own + more));
  mean_ = mean_ + step * (more / (own + more));
  count_ += count;
}

at::Tensor FeatureStatistics::covariance() const {
  TORCH_CHECK(
      count_ >= 2,
      "FeatureStatistics: a covariance needs two vectors at least, got ",
      count_);
  return scatter_ / static_cast<double>(count_ - 1);
}

double FrechetDistance(const FeatureStatistics& a, const FeatureStatistics& b) {
  return FrechetDistance(a.mean(), a.covariance(), b.mean(), b.covariance());
}

double FrechetDistance(const at::Tensor& mean_a, const at::Tensor& covariance_a,
                       const at::Tensor& mean_b,
                       const at::Tensor& covariance_b) {
  const int64_t d = mean_a.dim() == 1 ? mean_a.size(0) : 0;
  TORCH_CHECK(d >= 1, "FrechetDistance: means must be [D], got sizes ",
              mean_a.sizes());
  for (const at::Tensor* covariance : {&covariance_a, &covariance_b}) {
    TORCH_CHECK(covariance->sizes() == at::IntArrayRef({d, d}) &&
                    mean_b.sizes() == mean_a.sizes(),
                "FrechetDistance: expected two means [", d,
                "] and two covariances [", d, ",", d, "], got ", mean_b.sizes(),
                " and ", covariance->sizes());
  }
  const at::Tensor ca = covariance_a.to(at::kCPU, at::kDouble);
  const at::Tensor cb = covariance_b.to(at::kCPU, at::kDouble);
  const auto [values, vectors] = at::linalg_eigh(ca);
  const at::Tensor root =
      (vectors * WithoutNoise(values).sqrt()).mm(vectors.t());
  const at::Tensor product = root.mm(cb).mm(root);
  const at::Tensor squares = at::linalg_eigvalsh((product + product.t()) / 2);
  const at::Tensor step =
      mean_a.to(at::kCPU, at::kDouble) - mean_b.to(at::kCPU, at::kDouble);
  const double distance = (step.dot(step) + ca.trace() + cb.trace() -
                           2 * WithoutNoise(squares).sqrt().sum())
                              .item<double>();
  return std::max(0.0, distance);
}

}  // namespace seg
