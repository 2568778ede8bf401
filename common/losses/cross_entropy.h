// Cross-entropy of labelled pixels.
//
//   input:  [N, C, ...] float32 or float64, any strides; what its values are is
//           said by CrossEntropyOptions::input.
//   target: [N, ...] int64 or uint8, the later axes of input; values in 0..C-1
//           or ignore_label. A valid pixel with another value is an error that
//           names the value (on a CPU; a GPU is not asked).
//   returns a scalar of the type of input:
//     sum:  sum over valid pixels of -log p_t
//     mean: that sum / the number of valid pixels
//   If all pixels are ignored (or there are none) the result is 0 and the
//   gradient is 0, in both reductions, never NaN.
//
// What p_t is:
//   kScores: soft-max of input over C at label t (in log space: no overflow).
//   kLogProbabilities: log p_t is input[t].
//   kProbabilities: p_t is input[t], used above a floor `epsilon`. At or below
//     the floor, which includes the zeros and negative values that simplex
//     projections give, -log p_t is -log(epsilon) + (epsilon - p) / epsilon,
//     the tangent at the floor: the gradient stays -1/epsilon, so a pixel that
//     is wrong with certainty still learns.
//
// Differentiable in input, any number of times. Memory: one copy of input for
// kScores, none of size C for the other two in the forward pass.

#ifndef COMMON_LOSSES_CROSS_ENTROPY_H_
#define COMMON_LOSSES_CROSS_ENTROPY_H_

#include <ATen/core/Tensor.h>

namespace seg {

enum class CrossEntropyInput { kScores, kLogProbabilities, kProbabilities };
enum class CrossEntropyReduction { kMean, kSum };

struct CrossEntropyOptions {
  CrossEntropyInput input = CrossEntropyInput::kScores;
  CrossEntropyReduction reduction = CrossEntropyReduction::kMean;
  int64_t ignore_label = 255;
  // For kProbabilities; 1/epsilon bounds the gradient of a pixel.
  double epsilon = 0.01;
};

at::Tensor CrossEntropy(const at::Tensor& input, const at::Tensor& target,
                        const CrossEntropyOptions& options = {});

}  // namespace seg

#endif  // COMMON_LOSSES_CROSS_ENTROPY_H_
