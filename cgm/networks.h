// The networks of a conditional generative model (Sohn et al. 2015, supplement,
// tables S1 to S3). All convolutions are "same"; each layer is convolution,
// ReLU, then 2x2 max-pooling (v) or zero-insertion unpooling (^):
//
//   Cnn        x -> a:  9/2 v  5 v  3  3  3 ^  5 ^  5 ^  head 9
//              widths    64    96  128 128 96  64   48     C
//   Encoder    -> mean and log-variance of z:  9/2 v  5 v  3 v  two heads 3
//              widths                           64    96   128   latent
//   Generator  z -> g:  3 ^  5 ^  5 ^  5 ^  head 9
//              widths   96   64   48   48     C
//
// (9/2: kernel 9, stride 2.) Inputs [N,.,H,W] have sides that are multiples of
// 16, z is [N,latent,H/16,W/16], scores are [N,C,H,W]. Any floating type.
#ifndef CGM_NETWORKS_H_
#define CGM_NETWORKS_H_

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "common/layers/gaussian_latent/gaussian_head.h"
#include "common/layers/zero_unpool/zero_unpool_conv2d.h"
#include "torch/arg.h"
#include "torch/nn/module.h"
#include "torch/nn/modules/conv.h"
#include "torch/nn/pimpl.h"

namespace seg {
namespace cgm {

// Sides of images are multiples of this.
constexpr int64_t kStride = 16;

struct NetworkOptions {
  explicit NetworkOptions(int64_t classes) : classes_(classes) {}
  TORCH_ARG(int64_t, classes);
  TORCH_ARG(double, width) = 1;  // factor on the widths above
  TORCH_ARG(int64_t, latent_channels) = 32;
  TORCH_ARG(bool, multi_scale) = false;  // Cnn: heads at 1/4 and 1/2
  TORCH_ARG(bool, noisy) = false;        // Cnn: layer 4 is Gaussian
  TORCH_ARG(bool, head) = true;          // Generator: has its own classifier
  TORCH_ARG(bool, fused) = true;         // unpooling + convolution in one
};

struct CnnScores {
  at::Tensor full;     // [N,C,H,W]
  at::Tensor half;     // [N,C,H/2,W/2], undefined unless asked for
  at::Tensor quarter;  // [N,C,H/4,W/4], likewise
};

// With `noisy`, layer 4 is two parallel convolutions, mean and log-variance,
// without a ReLU; in training mode it gives a sample (noise from the device's
// default generator), in evaluation mode the mean.
class CnnImpl : public torch::nn::Module {
 public:
  explicit CnnImpl(const NetworkOptions& options);
  // low_resolution: also the scores at 1/4 and 1/2, with `multi_scale` only.
  CnnScores forward(const at::Tensor& x, bool low_resolution = false);
  // The classifier alone: features [N,48 width,H/2,W/2] before unpooling.
  at::Tensor Classify(const at::Tensor& features);

 private:
  bool multi_scale_, noisy_;
  torch::nn::Conv2d conv1_{nullptr}, conv2_{nullptr}, conv3_{nullptr},
      conv4_{nullptr}, conv5_{nullptr};
  GaussianHead noise4_{nullptr};  // in place of conv4
  ZeroUnpoolConv2d conv6_{nullptr}, conv7_{nullptr}, head_{nullptr};
  ZeroUnpoolConv2d head_quarter_{nullptr}, head_half_{nullptr};
};
TORCH_MODULE(Cnn);

// Prior and recognition network: x and C further channels (probabilities of the
// guess, or the labels) to a distribution of z.
class EncoderImpl : public torch::nn::Module {
 public:
  explicit EncoderImpl(const NetworkOptions& options);
  DiagonalGaussian forward(const at::Tensor& x, const at::Tensor& labels);

 private:
  torch::nn::Conv2d conv1_{nullptr}, conv2_{nullptr}, conv3_{nullptr};
  GaussianHead latent_{nullptr};
};
TORCH_MODULE(Encoder);

class GeneratorImpl : public torch::nn::Module {
 public:
  explicit GeneratorImpl(const NetworkOptions& options);
  at::Tensor forward(const at::Tensor& z);   // scores; needs `head`
  at::Tensor Features(const at::Tensor& z);  // what the classifier sees

 private:
  torch::nn::Conv2d conv1_{nullptr};
  ZeroUnpoolConv2d conv2_{nullptr}, conv3_{nullptr}, conv4_{nullptr};
  ZeroUnpoolConv2d head_{nullptr};
};
TORCH_MODULE(Generator);

// The authors' start: weights N(0, 1 / (k k c_in)), biases N(0, 0.01^2), and
// convolutions of log-variances all zero. Draws from the default generator.
void Initialize(torch::nn::Module* module);

}  // namespace cgm
}  // namespace seg

#endif  // CGM_NETWORKS_H_
