// Inputs, weights and sampling of golden files that scripts in Python make:
// the same formulas as in golden.py. For tests only.
#ifndef COMMON_TESTING_GOLDEN_H_
#define COMMON_TESTING_GOLDEN_H_

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "torch/nn/module.h"

namespace seg {

// Double [n,3,height,width] in 0..255: a few plane waves.
at::Tensor GoldenImage(int64_t n, int64_t height, int64_t width);

// target[k] = scale u_k with u_k in [-1,1) an integer hash of (k, seed).
void GoldenFill(at::Tensor target, double scale, int64_t seed);
// The same of a new double tensor.
at::Tensor GoldenFilled(at::IntArrayRef sizes, double scale, int64_t seed);

// Each parameter by its place in the order of names; weights keep the scale of
// what they multiply (variance 2 / fan-in).
void GoldenFillParameters(const torch::nn::Module& module);

// 48 evenly spaced values of x in logical order.
at::Tensor GoldenSample(const at::Tensor& x);

// max |a - b| / max |b|: the measure of every golden comparison.
double RelativeError(const at::Tensor& a, const at::Tensor& b);

}  // namespace seg

#endif  // COMMON_TESTING_GOLDEN_H_
