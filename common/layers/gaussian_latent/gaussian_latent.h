// Gaussian latent variables with independent components: sampling by
// reparameterisation, Kullback-Leibler divergence, densities.
//
// A distribution is a mean and the logarithm of the variance of each component,
// sigma = exp(log_variance / 2), as two tensors [N, ...] of equal sizes,
// float32 or float64, any strides; N independent variables (images), all other
// axes are the components of one. Everything is differentiable, any number of
// times, in all tensor arguments; wrong shapes and types are errors. Under
// autocast all arguments are taken in float32.
//
// Source: Sohn et al. 2015, "Learning Structured Output Representation using
// Deep Conditional Generative Models", Sec. 4; Kingma and Welling 2014, App. B.

#ifndef COMMON_LAYERS_GAUSSIAN_LATENT_GAUSSIAN_LATENT_H_
#define COMMON_LAYERS_GAUSSIAN_LATENT_GAUSSIAN_LATENT_H_

#include <ATen/core/Tensor.h>

namespace seg {

struct DiagonalGaussian {
  at::Tensor mean;          // [N, ...]
  at::Tensor log_variance;  // [N, ...]
};

// Where log-variances that a network gives are cut off, so that no exponential
// overflows: sigma in 3e-7 .. 2.2e4. Not reached in a healthy run.
constexpr double kMinLogVariance = -30.0;
constexpr double kMaxLogVariance = 20.0;

// Clamps the log-variances to the range above; the gradient is zero outside.
DiagonalGaussian MakeDiagonalGaussian(const at::Tensor& mean,
                                      const at::Tensor& raw_log_variance);

// mean + exp(log_variance / 2) * noise; noise [N, ...] from a standard normal
// distribution, drawn by the caller.
at::Tensor SampleGaussian(const DiagonalGaussian& gaussian,
                          const at::Tensor& noise);

// sigma, [N, ...].
at::Tensor StandardDeviation(const DiagonalGaussian& gaussian);

// KL(q || p), in nats, summed over components: [N].
//   sum 1/2 [ log(vp / vq) + (vq + (mq - mp)^2) / vp - 1 ],  v = sigma^2
// Gradients go to both. Exactly zero for q = p and, up to rounding, never
// negative.
at::Tensor KlDivergence(const DiagonalGaussian& q, const DiagonalGaussian& p);

// The same before the sum: [N, ...].
at::Tensor KlByComponent(const DiagonalGaussian& q, const DiagonalGaussian& p);

// log density of z [N, ...], in nats, summed over components: float64 [N],
// computed in float64 (2048 components make sums of thousands, and weights of
// importance sampling are differences of two of them).
at::Tensor LogDensity(const DiagonalGaussian& gaussian, const at::Tensor& z);

}  // namespace seg

#endif  // COMMON_LAYERS_GAUSSIAN_LATENT_GAUSSIAN_LATENT_H_
