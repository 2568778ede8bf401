// Unpooling by zero insertion, alone and in one with the convolution after it.
//
// Source: Sohn et al. 2015, supplement, tables S1 and S3; that the value goes
// to the top left is from the authors' code.

#ifndef COMMON_LAYERS_ZERO_UNPOOL_ZERO_UNPOOL_H_
#define COMMON_LAYERS_ZERO_UNPOOL_ZERO_UNPOOL_H_

#include <ATen/core/Tensor.h>

namespace seg {

// out[n,c,2y,2x] = x[n,c,y,x], the other three of each 2 x 2 block zero. No
// indices of a pooling are needed, and nothing is copied or interpolated.
//   x: [N, C, H, W] of any floating type, any strides.
//   returns [N, C, 2H, 2W], in the memory format of x (planes or channels
//   last).
// Differentiable, any number of times.
at::Tensor ZeroUnpool2d(const at::Tensor& x);

// conv2d(ZeroUnpool2d(x), weight, bias, stride 1, padding (k - 1) / 2), without
// the multiplications by the inserted zeros, which are three of four.
//   x:      [N, C_in, H, W] of any floating type, any strides. Under autocast
//           all three are taken in its type, as by LibTorch's convolutions.
//   weight: [C_out, C_in, k, k], k odd, type of x.
//   bias:   [C_out], or undefined for none.
//   returns [N, C_out, 2H, 2W]
// Differentiable in all three, any number of times. Two forms; the number of
// output channels decides (README.md):
//   many: one transposed convolution of stride 2 with the flipped kernel;
//   few:  one convolution of H x W with 4 C_out channels, one for each of the
//         four positions in a block, of size (k + 1) / 2, then a
//         pixel shuffle: a vector of 16 channels is not filled by the 2 to 4
//         channels of a layer that gives class scores.
at::Tensor ZeroUnpoolConvolution(const at::Tensor& x, const at::Tensor& weight,
                                 const at::Tensor& bias);

// The two forms, for tests and benchmarks. Arguments and result as above.
namespace zero_unpool_internal {
at::Tensor AsTransposedConvolution(const at::Tensor& x,
                                   const at::Tensor& weight,
                                   const at::Tensor& bias);
at::Tensor AsPixelShuffle(const at::Tensor& x, const at::Tensor& weight,
                          const at::Tensor& bias);
}  // namespace zero_unpool_internal

}  // namespace seg

#endif  // COMMON_LAYERS_ZERO_UNPOOL_ZERO_UNPOOL_H_
