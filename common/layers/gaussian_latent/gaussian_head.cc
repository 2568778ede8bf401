#include "common/layers/gaussian_latent/gaussian_head.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace seg {

GaussianHeadImpl::GaussianHeadImpl(const GaussianHeadOptions& options)
    : torch::nn::Module("GaussianHead") {
  TORCH_CHECK(options.in_channels() >= 1 && options.latent_channels() >= 1,
              "GaussianHead: in_channels and latent_channels must be at least "
              "1, got ",
              options.in_channels(), " and ", options.latent_channels());
  TORCH_CHECK(options.kernel_size() >= 1 && options.kernel_size() % 2 == 1,
              "GaussianHead: kernel_size must be odd, got ",
              options.kernel_size());
  const auto convolution =
      torch::nn::Conv2dOptions(options.in_channels(), options.latent_channels(),
                               options.kernel_size())
          .padding((options.kernel_size() - 1) / 2);
  mean_ = register_module("mean", torch::nn::Conv2d(convolution));
  log_variance_ =
      register_module("log_variance", torch::nn::Conv2d(convolution));
  const c10::NoGradGuard no_grad;
  log_variance_->weight.zero_();
  log_variance_->bias.zero_();
}

DiagonalGaussian GaussianHeadImpl::forward(const at::Tensor& x) {
  return MakeDiagonalGaussian(mean_->forward(x), log_variance_->forward(x));
}

at::Tensor GaussianHeadImpl::Mean(const at::Tensor& x) {
  return mean_->forward(x);
}

}  // namespace seg
