// 3x3 convolution with stride 1 and zero padding 1, then a leaky ReLU, for maps
// of few channels on a CPU.
//
//   y = LReLU(weight * x + bias)
//
//   x       [N,C,H,W] float32 or float64
//   weight  [O,C,3,3], bias [O], of the same type
//   slope   of the leaky ReLU, in [0,1]; 1: none
//   y       [N,O,H,W], in channels-last order
//
// Differentiable in all three, any number of times (a graph of the gradient is
// made of LibTorch's operators). Channels-last x is read in place, other
// layouts are copied.
//
// With 3 to 64 channels LibTorch's convolution (oneDNN) spends much of its time
// on other layouts of its operands; README.md has figures.

#ifndef COMMON_LAYERS_NARROW_CONVOLUTION_NARROW_CONVOLUTION_H_
#define COMMON_LAYERS_NARROW_CONVOLUTION_NARROW_CONVOLUTION_H_

#include <ATen/core/Tensor.h>

namespace seg {

// Our kernels, of any number of channels, for the gradients too; CPU only.
// Memory: a copy of the weights, and for their gradient one for each image.
// Results do not depend on the number of threads.
at::Tensor NarrowConvolution(const at::Tensor& x, const at::Tensor& weight,
                             const at::Tensor& bias, double slope = 1);

// The fastest of each: our forward pass where that is faster than LibTorch's,
// with the gradients of LibTorch (oneDNN, whose sums over images may depend on
// the number of threads); else LibTorch's operators altogether.
at::Tensor Convolution3x3(const at::Tensor& x, const at::Tensor& weight,
                          const at::Tensor& bias, double slope = 1);

}  // namespace seg

#endif  // COMMON_LAYERS_NARROW_CONVOLUTION_NARROW_CONVOLUTION_H_
