// Gradient check for tests: compares the analytic gradient (autograd) of a
// tensor function with central differences.
//
//   EXPECT_TRUE(GradCheck([](const auto& in) { return Op(in[0], in[1]); },
//                         {x, weight}));
//
// The function checked is the scalar s(inputs) = sum(fn(inputs) * c), where c
// is a fixed pseudo-random cotangent, so every output element takes part with
// another factor.
//
//   fn:     takes the inputs, returns one defined float64 tensor of any shape.
//           It must be a deterministic function (checked: two calls must agree
//           bit for bit) and smooth within eps of the inputs; a kink there
//           (tie, clamp) is reported as a mismatch.
//   inputs: float64 tensors are differentiated, element by element; integer
//           and bool tensors are handed through. The strides of an input are
//           kept, so a transposed or sliced input reaches fn as such. Inputs
//           whose elements share memory (expand) are refused: expand inside fn.
//   eps:    step of the central difference (s(x + eps) - s(x - eps)) / (2 eps).
//   rtol, atol: an element passes when |analytic - numeric| <= atol + rtol *
//           max(|analytic|, |numeric|). NaN never passes.
//
// An undefined gradient (input not used, or output that does not require a
// gradient) counts as zero. The backward pass is also run with a cotangent in
// transposed memory order and with an expanded (all strides zero) one; both
// must give the gradient of their contiguous copies: a backward that forgets
// about strides fails here.
//
// The failure message names the input, the index of the element, and both
// values, for the first few elements that differ. Cost: 2 calls of fn per
// element of the inputs.

#ifndef COMMON_TESTING_GRADCHECK_H_
#define COMMON_TESTING_GRADCHECK_H_

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace seg {

using GradCheckFunction =
    std::function<at::Tensor(const std::vector<at::Tensor>&)>;

::testing::AssertionResult GradCheck(const GradCheckFunction& fn,
                                     std::vector<at::Tensor> inputs,
                                     double eps = 1e-6, double rtol = 1e-5,
                                     double atol = 1e-7);

// GradCheck of the gradient: second derivatives of fn, those along the
// cotangent included. Every float64 input must be one that fn differentiates.
::testing::AssertionResult GradGradCheck(const GradCheckFunction& fn,
                                         std::vector<at::Tensor> inputs,
                                         double eps = 1e-6, double rtol = 1e-5,
                                         double atol = 1e-7);

}  // namespace seg

#endif  // COMMON_TESTING_GRADCHECK_H_
