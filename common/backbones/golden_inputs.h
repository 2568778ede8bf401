// The golden files in testdata/, made by the scripts beside them. For tests
// only; inputs and sampling are in common/testing/golden.h.
#ifndef COMMON_BACKBONES_GOLDEN_INPUTS_H_
#define COMMON_BACKBONES_GOLDEN_INPUTS_H_

#include <cstdint>
#include <string>

#include "common/io/tensor_map.h"
#include "common/testing/golden.h"
#include "torch/nn/module.h"

namespace seg {

// testdata/FILE.
TensorMap ReadGoldens(const std::string& file = "goldens.safetensors");

// The text of testdata/FILE, and what it should be for `module`: one line
// "name [d0,d1,...]" a parameter or buffer, sorted by name.
std::string ReadGoldenNames(const std::string& file);
std::string NamesAndShapes(const torch::nn::Module& module);

// Path of a file of @efficientnet_liteN_weights in a test's runfiles.
std::string LiteWeightsPath(int64_t variant);

}  // namespace seg

#endif  // COMMON_BACKBONES_GOLDEN_INPUTS_H_
