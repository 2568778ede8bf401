// The start of networks of leaky ReLUs: He et al. 2015 for fan-in, so that the
// second moment of activations stays the same from layer to layer.

#ifndef COMMON_LAYERS_CONDITIONAL_NORM_KAIMING_H_
#define COMMON_LAYERS_CONDITIONAL_NORM_KAIMING_H_

#include <torch/nn/module.h>

namespace seg {

// The slope of every leaky ReLU of this folder.
constexpr double kLeakySlope = 0.2;

// Weights of each Conv2d and Linear in `module` (itself included) ~
// N(0, 2 / ((1 + slope^2) fan_in)), their biases 0; other parameters stay.
// Draws from the default generator.
void InitializeKaiming(torch::nn::Module* module, double slope = kLeakySlope);

}  // namespace seg

#endif  // COMMON_LAYERS_CONDITIONAL_NORM_KAIMING_H_
