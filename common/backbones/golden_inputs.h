// Inputs and sampling of the golden files in testdata/, the same formulas as in
// testdata/make_goldens.py. For tests only.
#ifndef COMMON_BACKBONES_GOLDEN_INPUTS_H_
#define COMMON_BACKBONES_GOLDEN_INPUTS_H_

#include <cstdint>
#include <string>

#include "ATen/core/Tensor.h"
#include "common/io/tensor_map.h"
#include "torch/nn/module.h"

namespace seg {

// Double [n,3,height,width] in 0..255: a few plane waves.
at::Tensor GoldenImage(int64_t n, int64_t height, int64_t width);

// target[k] = scale u_k with u_k in [-1,1) an integer hash of (k, seed).
void GoldenFill(at::Tensor target, double scale, int64_t seed);

// 48 evenly spaced values of x in logical order.
at::Tensor GoldenSample(const at::Tensor& x);

// testdata/goldens.safetensors.
TensorMap ReadGoldens();

// The text of testdata/FILE, and what it should be for `module`: one line
// "name [d0,d1,...]" a parameter or buffer, sorted by name.
std::string ReadGoldenNames(const std::string& file);
std::string NamesAndShapes(const torch::nn::Module& module);

// max |a - b| / max |b|: the measure of every golden comparison.
double RelativeError(const at::Tensor& a, const at::Tensor& b);

// Path of a file of @efficientnet_liteN_weights in a test's runfiles.
std::string LiteWeightsPath(int64_t variant);

}  // namespace seg

#endif  // COMMON_BACKBONES_GOLDEN_INPUTS_H_
