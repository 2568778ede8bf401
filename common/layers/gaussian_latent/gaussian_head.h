// The last layer of a network whose output is a Gaussian latent variable: two
// parallel convolutions, linear, one for the mean and one for the
// log-variance.
//
//   x [N,C_in,H,W] -> mean, log_variance [N,C_latent,H,W]   (odd kernel,
//                     stride 1, zero padding (k - 1) / 2)
//
// The log-variances start at exactly zero (weights and bias), so that sigma is
// 1 everywhere at the first step; they are clamped as in gaussian_latent.h.
// Parameters: mean.weight, mean.bias, log_variance.weight, log_variance.bias.
//
// Source: Sohn et al. 2015, supplement, table S2; the zero start from the
// authors' code.

#ifndef COMMON_LAYERS_GAUSSIAN_LATENT_GAUSSIAN_HEAD_H_
#define COMMON_LAYERS_GAUSSIAN_LATENT_GAUSSIAN_HEAD_H_

#include <ATen/core/Tensor.h>
#include <torch/arg.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

#include "common/layers/gaussian_latent/gaussian_latent.h"

namespace seg {

struct GaussianHeadOptions {
  GaussianHeadOptions(int64_t in_channels, int64_t latent_channels,
                      int64_t kernel_size)
      : in_channels_(in_channels),
        latent_channels_(latent_channels),
        kernel_size_(kernel_size) {}
  TORCH_ARG(int64_t, in_channels);
  TORCH_ARG(int64_t, latent_channels);
  TORCH_ARG(int64_t, kernel_size);
};

class GaussianHeadImpl : public torch::nn::Module {
 public:
  explicit GaussianHeadImpl(const GaussianHeadOptions& options);

  DiagonalGaussian forward(const at::Tensor& x);
  // The mean alone: half the work.
  at::Tensor Mean(const at::Tensor& x);

 private:
  torch::nn::Conv2d mean_{nullptr};
  torch::nn::Conv2d log_variance_{nullptr};
};
TORCH_MODULE(GaussianHead);

}  // namespace seg

#endif  // COMMON_LAYERS_GAUSSIAN_LATENT_GAUSSIAN_HEAD_H_
