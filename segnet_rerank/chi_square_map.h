// The chi-square kernel as a dot product (Vedaldi and Zisserman 2012,
// "Efficient additive kernels via explicit feature maps").
#ifndef SEGNET_RERANK_CHI_SQUARE_MAP_H_
#define SEGNET_RERANK_CHI_SQUARE_MAP_H_

#include <cstdint>

#include "ATen/core/Tensor.h"

namespace seg {
namespace segnet_rerank {

// Numbers that one number becomes: an order of 2.
constexpr int64_t kChiSquareMapSize = 5;

// Replaces each x by five numbers whose dot product with those of y is about
// k(x, y) = 2 x y / (x + y).
//   x: float32 or float64 [M,K], >= 0, any strides.
//   returns: [M,5K] of the same type, the five of column 0 first.
// With L = 1/2 and the kernel's spectrum s(f) = sech(pi f), the five are
//   sqrt(x L s(0)),
//   sqrt(2 x L s(j L)) cos(j L log x), sqrt(2 x L s(j L)) sin(j L log x)
// for j = 1, 2; all 0 at x = 0. The error is below 0.04 sqrt(x y) while x and y
// differ by a factor of 20 at most, and below 0.15 sqrt(x y) at 1000.
// O(M K).
at::Tensor ChiSquareMap(const at::Tensor& x);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_CHI_SQUARE_MAP_H_
