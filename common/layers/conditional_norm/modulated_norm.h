// Module: batch norm without parameters of its own, followed by a scale and a
// shift that come from elsewhere, and a leaky ReLU:
//
//   y = LReLU((1 + gamma) * BatchNorm(x) + beta)
//
// for one or several (gamma, beta) of the same x at once; what SPADE (a gamma
// for each pixel) and AdaIN (a gamma for each image and channel) have in
// common.
//
//   x           [N,C,H,W] float32 or float64
//   modulation  [N,2C,H,W], or [N,2C] for all pixels alike: gamma in the first
//               C channels, beta in the rest
//   y           as x, in channels-last order
//
// Training mode takes mean and (biased) variance of the batch and moves the
// running ones by `momentum` (the variance unbiased); evaluation mode takes the
// running ones. At least two values a channel in training. Gradients to x and
// the modulations; a second derivative is refused. On a CPU the whole is one
// operator: x is read twice forward (once for the statistics), x and modulation
// twice backward, and nothing but the two is kept for it. Inputs in another
// order than channels last are copied first. Other devices take LibTorch's
// operators one by one. Sums run over a fixed partition: results do not depend
// on the number of threads.

#ifndef COMMON_LAYERS_CONDITIONAL_NORM_MODULATED_NORM_H_
#define COMMON_LAYERS_CONDITIONAL_NORM_MODULATED_NORM_H_

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <vector>

namespace seg {

struct Modulation {
  at::Tensor gamma_beta;
  double slope = 1.0;  // of the leaky ReLU; 1: none
};

// Buffers "running_mean" and "running_var" [C].
class ModulatedNormImpl : public torch::nn::Module {
 public:
  // PyTorch's defaults, which the papers keep.
  static constexpr double kEpsilon = 1e-5, kMomentum = 0.1;

  explicit ModulatedNormImpl(int64_t channels);

  // One output a modulation.
  std::vector<at::Tensor> forward(const at::Tensor& x,
                                  const std::vector<Modulation>& modulations);
  // The same by LibTorch's operators, for comparison; can be differentiated any
  // number of times.
  std::vector<at::Tensor> Composite(const at::Tensor& x,
                                    const std::vector<Modulation>& modulations);

 private:
  at::Tensor running_mean_, running_var_;
};
TORCH_MODULE(ModulatedNorm);

}  // namespace seg

#endif  // COMMON_LAYERS_CONDITIONAL_NORM_MODULATED_NORM_H_
