#include "common/layers/gaussian_latent/gaussian_latent.h"

#include <ATen/ATen.h>

#include <cmath>

#include "common/layers/dispatch/dispatch.h"

namespace seg {
namespace {

// The dispatcher takes no undefined tensor.
void CheckDefined(const char* op, const char* name, const at::Tensor& x) {
  TORCH_CHECK(x.defined(), op, ": ", name,
              " must be float32 or float64, got nothing");
}

void CheckDefined(const char* op, const DiagonalGaussian& gaussian) {
  CheckDefined(op, "mean", gaussian.mean);
  CheckDefined(op, "log_variance", gaussian.log_variance);
}

void CheckFloating(const char* op, const char* name, const at::Tensor& x) {
  CheckDefined(op, name, x);
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble,
              op, ": ", name, " must be float32 or float64, got ",
              x.scalar_type());
}

void CheckLike(const char* op, const char* name, const at::Tensor& x,
               const char* other_name, const at::Tensor& other) {
  CheckFloating(op, name, x);
  TORCH_CHECK(x.sym_sizes() == other.sym_sizes(), op, ": ", name,
              " must have the sizes of ", other_name, ", ", other.sym_sizes(),
              ", got ", x.sym_sizes());
  TORCH_CHECK(x.scalar_type() == other.scalar_type(), op, ": ", name,
              " must have the type of ", other_name, ", ", other.scalar_type(),
              ", got ", x.scalar_type());
}

void CheckGaussian(const char* op, const DiagonalGaussian& gaussian) {
  CheckFloating(op, "mean", gaussian.mean);
  TORCH_CHECK(gaussian.mean.dim() >= 1, op, ": mean must be [N, ...], got ",
              gaussian.mean.sym_sizes());
  CheckLike(op, "log_variance", gaussian.log_variance, "mean", gaussian.mean);
}

at::Tensor SumOfComponents(const at::Tensor& x) {
  return x.dim() == 1 ? x : x.flatten(1).sum(1);
}

// The operators, a distribution as two tensors.

at::Tensor Sample(const at::Tensor& mean, const at::Tensor& log_variance,
                  const at::Tensor& noise) {
  const DiagonalGaussian gaussian = {mean, log_variance};
  CheckGaussian("SampleGaussian", gaussian);
  CheckLike("SampleGaussian", "noise", noise, "mean", mean);
  return at::addcmul(mean, StandardDeviation(gaussian), noise);
}

at::Tensor Kl(const at::Tensor& mean_q, const at::Tensor& log_variance_q,
              const at::Tensor& mean_p, const at::Tensor& log_variance_p) {
  const DiagonalGaussian q = {mean_q, log_variance_q};
  const DiagonalGaussian p = {mean_p, log_variance_p};
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

at::Tensor Density(const at::Tensor& mean, const at::Tensor& any_log_variance,
                   const at::Tensor& z) {
  CheckGaussian("LogDensity", {mean, any_log_variance});
  CheckLike("LogDensity", "z", z, "mean", mean);
  const double log_two_pi = std::log(2.0 * M_PI);
  const at::Tensor log_variance = any_log_variance.to(at::kDouble);
  const at::Tensor distance =
      (z.to(at::kDouble) - mean.to(at::kDouble)).square() *
      (-log_variance).exp();
  return -0.5 * SumOfComponents(log_variance + distance + log_two_pi);
}

at::Tensor CallSample(const at::Tensor& mean, const at::Tensor& log_variance,
                      const at::Tensor& noise) {
  static const auto op = FindOperator<decltype(Sample)>("sample_gaussian");
  return op.call(mean, log_variance, noise);
}

at::Tensor CallKl(const at::Tensor& mean_q, const at::Tensor& log_variance_q,
                  const at::Tensor& mean_p, const at::Tensor& log_variance_p) {
  static const auto op = FindOperator<decltype(Kl)>("gaussian_kl");
  return op.call(mean_q, log_variance_q, mean_p, log_variance_p);
}

at::Tensor CallDensity(const at::Tensor& mean, const at::Tensor& log_variance,
                       const at::Tensor& z) {
  static const auto op =
      FindOperator<decltype(Density)>("gaussian_log_density");
  return op.call(mean, log_variance, z);
}

}  // namespace

DiagonalGaussian MakeDiagonalGaussian(const at::Tensor& mean,
                                      const at::Tensor& raw_log_variance) {
  const DiagonalGaussian raw = {FloatUnderAutocast(mean),
                                FloatUnderAutocast(raw_log_variance)};
  CheckGaussian("MakeDiagonalGaussian", raw);
  return {raw.mean, raw.log_variance.clamp(kMinLogVariance, kMaxLogVariance)};
}

at::Tensor SampleGaussian(const DiagonalGaussian& gaussian,
                          const at::Tensor& noise) {
  CheckDefined("SampleGaussian", gaussian);
  CheckDefined("SampleGaussian", "noise", noise);
  return CallSample(gaussian.mean, gaussian.log_variance, noise);
}

at::Tensor StandardDeviation(const DiagonalGaussian& gaussian) {
  return (0.5 * gaussian.log_variance).exp();
}

at::Tensor KlByComponent(const DiagonalGaussian& q, const DiagonalGaussian& p) {
  CheckDefined("KlDivergence", q);
  CheckDefined("KlDivergence", p);
  return CallKl(q.mean, q.log_variance, p.mean, p.log_variance);
}

at::Tensor KlDivergence(const DiagonalGaussian& q, const DiagonalGaussian& p) {
  return SumOfComponents(KlByComponent(q, p));
}

at::Tensor LogDensity(const DiagonalGaussian& gaussian, const at::Tensor& z) {
  CheckDefined("LogDensity", gaussian);
  CheckDefined("LogDensity", "z", z);
  return CallDensity(gaussian.mean, gaussian.log_variance, z);
}

// All are made of LibTorch's operators, on every device.
TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  m.def(
      "sample_gaussian(Tensor mean, Tensor log_variance, Tensor noise) -> "
      "Tensor",
      TORCH_FN(Sample));
  m.def(
      "gaussian_kl(Tensor mean_q, Tensor log_variance_q, Tensor mean_p, Tensor "
      "log_variance_p) -> Tensor",
      TORCH_FN(Kl));
  m.def(
      "gaussian_log_density(Tensor mean, Tensor log_variance, Tensor z) -> "
      "Tensor",
      TORCH_FN(Density));
  AutocastToFloat<&CallSample>(&m, "sample_gaussian");
  AutocastToFloat<&CallKl>(&m, "gaussian_kl");
  AutocastToFloat<&CallDensity>(&m, "gaussian_log_density");
}

}  // namespace seg
