// The raw operators of modulated_norm.h, as the dispatcher has them: no
// autograd; kernels for the CPU and for Meta (internal).
#ifndef COMMON_LAYERS_CONDITIONAL_NORM_MODULATED_NORM_OPS_H_
#define COMMON_LAYERS_CONDITIONAL_NORM_MODULATED_NORM_OPS_H_

#include <ATen/core/Tensor.h>

#include <tuple>
#include <vector>

namespace seg {
namespace modulated_norm {

// Mean and sum of squares about it of each channel, double [C].
std::tuple<at::Tensor, at::Tensor> Statistics(const at::Tensor& x);

// One output a modulation. slopes: of the leaky ReLUs.
std::vector<at::Tensor> Forward(const at::Tensor& x, at::TensorList modulations,
                                at::ArrayRef<double> slopes,
                                const at::Tensor& mean,
                                const at::Tensor& inverse);

// Gradients of x and of each modulation from those of the outputs; `fixed`:
// mean and inverse are constants.
std::vector<at::Tensor> Backward(at::TensorList gradients, const at::Tensor& x,
                                 at::TensorList modulations,
                                 at::ArrayRef<double> slopes,
                                 const at::Tensor& mean,
                                 const at::Tensor& inverse, bool fixed);

// A modulation in the layout of the kernels.
at::Tensor Dense(const at::Tensor& gamma_beta);

}  // namespace modulated_norm
}  // namespace seg

#endif  // COMMON_LAYERS_CONDITIONAL_NORM_MODULATED_NORM_OPS_H_
