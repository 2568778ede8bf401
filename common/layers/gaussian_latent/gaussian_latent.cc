#include "common/layers/gaussian_latent/gaussian_latent.h"

#include <ATen/ATen.h>

#include <cmath>

namespace seg {
namespace {

void CheckFloating(const char* op, const char* name, const at::Tensor& x) {
  TORCH_CHECK(x.defined() && (x.scalar_type() == at::kFloat ||
                              x.scalar_type() == at::kDouble),
              op, ": ", name, " must be float32 or float64, got ",
              x.defined() ? c10::toString(x.scalar_type()) : "nothing");
}

void CheckLike(const char* op, const char* name, const at::Tensor& x,
               const char* other_name, const at::Tensor& other) {
  CheckFloating(op, name, x);
  TORCH_CHECK(x.sizes() == other.sizes(), op, ": ", name,
              " must have the sizes of ", other_name, ", ", other.sizes(),
              ", got ", x.sizes());
  TORCH_CHECK(x.scalar_type() == other.scalar_type(), op, ": ", name,
              " must have the type of ", other_name, ", ", other.scalar_type(),
              ", got ", x.scalar_type());
}

void CheckGaussian(const char* op, const DiagonalGaussian& gaussian) {
  CheckFloating(op, "mean", gaussian.mean);
  TORCH_CHECK(gaussian.mean.dim() >= 1, op, ": mean must be [N, ...], got ",
              gaussian.mean.sizes());
  CheckLike(op, "log_variance", gaussian.log_variance, "mean", gaussian.mean);
}

at::Tensor SumOfComponents(const at::Tensor& x) {
  return x.dim() == 1 ? x : x.flatten(1).sum(1);
}

}  // namespace

DiagonalGaussian MakeDiagonalGaussian(const at::Tensor& mean,
                                      const at::Tensor& raw_log_variance) {
  CheckGaussian("MakeDiagonalGaussian", {mean, raw_log_variance});
  return {mean, raw_log_variance.clamp(kMinLogVariance, kMaxLogVariance)};
}

at::Tensor SampleGaussian(const DiagonalGaussian& gaussian,
                          const at::Tensor& noise) {
  CheckGaussian("SampleGaussian", gaussian);
  CheckLike("SampleGaussian", "noise", noise, "mean", gaussian.mean);
  return at::addcmul(gaussian.mean, StandardDeviation(gaussian), noise);
}

at::Tensor StandardDeviation(const DiagonalGaussian& gaussian) {
  return (0.5 * gaussian.log_variance).exp();
}

at::Tensor KlByComponent(const DiagonalGaussian& q, const DiagonalGaussian& p) {
  CheckGaussian("KlDivergence", q);
  CheckGaussian("KlDivergence", p);
  CheckLike("KlDivergence", "mean of p", p.mean, "that of q", q.mean);
  // exp(d) - 1 - d of the log-ratio of the variances: no difference of large
  // terms where q is close to p.
  const at::Tensor ratio = q.log_variance - p.log_variance;
  const at::Tensor distance =
      (q.mean - p.mean).square() * (-p.log_variance).exp();
  return 0.5 * (ratio.expm1() - ratio + distance);
}

at::Tensor KlDivergence(const DiagonalGaussian& q, const DiagonalGaussian& p) {
  return SumOfComponents(KlByComponent(q, p));
}

at::Tensor LogDensity(const DiagonalGaussian& gaussian, const at::Tensor& z) {
  CheckGaussian("LogDensity", gaussian);
  CheckLike("LogDensity", "z", z, "mean", gaussian.mean);
  const double log_two_pi = std::log(2.0 * M_PI);
  const at::Tensor log_variance = gaussian.log_variance.to(at::kDouble);
  const at::Tensor distance =
      (z.to(at::kDouble) - gaussian.mean.to(at::kDouble)).square() *
      (-log_variance).exp();
  return -0.5 * SumOfComponents(log_variance + distance + log_two_pi);
}

}  // namespace seg
