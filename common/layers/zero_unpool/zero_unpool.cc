#include "common/layers/zero_unpool/zero_unpool.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <cstdint>
#include <optional>

#include "common/layers/dispatch/dispatch.h"

namespace seg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Whether the pixel shuffle is faster (README.md): it has to fill vectors of 16
// channels that the other leaves empty, by more than what it multiplies by the
// zeros of its padded kernel, 4 ceil(k / 2)^2 / k^2: 1.8 for k = 3, 1.2 for 9.
bool HasFewChannels(const at::Tensor& weight) {
  return weight.sym_size(0) <= (weight.sym_size(2) >= 9 ? 8 : 4);
}

// A number, where a trace has a symbol: the trace is of kernels of this size.
int64_t Size(const at::Tensor& weight, int64_t d) {
  return weight.sym_size(d).guard_int(__FILE__, __LINE__);
}

// The top left of each 2 x 2 block, a view.
at::Tensor TopLeft(const at::Tensor& x) {
  return x.slice(2, 0, std::nullopt, 2).slice(3, 0, std::nullopt, 2);
}

class ZeroUnpoolFunction
    : public torch::autograd::Function<ZeroUnpoolFunction> {
 public:
  static at::Tensor forward(AutogradContext*, const at::Tensor& x) {
    at::Tensor out = at::empty_symint(
        {x.sym_size(0), x.sym_size(1), 2 * x.sym_size(2), 2 * x.sym_size(3)},
        x.options(), x.suggest_memory_format());
    out.zero_();
    TopLeft(out).copy_(x);
    return out;
  }

  static variable_list backward(AutogradContext*,
                                const variable_list& gradients) {
    return {TopLeft(gradients[0])};
  }
};

void Check(const at::Tensor& x, const at::Tensor& weight,
           const at::Tensor& bias) {
  TORCH_CHECK(x.dim() == 4,
              "ZeroUnpoolConvolution: x must be [N, C_in, H, W], got ",
              x.sym_sizes());
  TORCH_CHECK(weight.dim() == 4 && weight.sym_size(2) == weight.sym_size(3) &&
                  weight.sym_size(2) % 2 == 1,
              "ZeroUnpoolConvolution: weight must be [C_out, C_in, k, k] with "
              "k odd, got sizes ",
              weight.sym_sizes());
  TORCH_CHECK(weight.sym_size(1) == x.sym_size(1),
              "ZeroUnpoolConvolution: weight takes ", weight.sym_size(1),
              " channels, x has ", x.sym_size(1));
  TORCH_CHECK(at::isFloatingType(x.scalar_type()),
              "ZeroUnpoolConvolution: x must have a floating type, got ",
              x.scalar_type());
  TORCH_CHECK(weight.scalar_type() == x.scalar_type(),
              "ZeroUnpoolConvolution: weight must have the type of x, ",
              x.scalar_type(), ", got ", weight.scalar_type());
  TORCH_CHECK(!bias.defined() ||
                  (bias.dim() == 1 && bias.sym_size(0) == weight.sym_size(0)),
              "ZeroUnpoolConvolution: bias must be [", weight.sym_size(0),
              "], got ", bias.sym_sizes());
}

at::Tensor Unpool(const at::Tensor& x) {
  TORCH_CHECK(x.dim() == 4, "ZeroUnpool2d: x must be [N, C, H, W], got ",
              x.sym_sizes());
  TORCH_CHECK(at::isFloatingType(x.scalar_type()),
              "ZeroUnpool2d: x must have a floating type, got ",
              x.scalar_type());
  return ZeroUnpoolFunction::apply(x);
}

at::Tensor Convolution(const at::Tensor& x, const at::Tensor& weight,
                       const std::optional<at::Tensor>& any_bias) {
  const at::Tensor bias = any_bias.value_or(at::Tensor());
  Check(x, weight, bias);
  return HasFewChannels(weight)
             ? zero_unpool_internal::AsPixelShuffle(x, weight, bias)
             : zero_unpool_internal::AsTransposedConvolution(x, weight, bias);
}

// As the operator has it: bias optional.
at::Tensor CallConvolution(const at::Tensor& x, const at::Tensor& weight,
                           const std::optional<at::Tensor>& bias) {
  static const auto op =
      FindOperator<decltype(Convolution)>("zero_unpool_convolution");
  return op.call(x, weight, bias);
}

}  // namespace

at::Tensor ZeroUnpool2d(const at::Tensor& x) {
  static const auto op = FindOperator<decltype(Unpool)>("zero_unpool2d");
  return op.call(x);
}

namespace zero_unpool_internal {

// A value at (y, x) of the input stands at (2y, 2x), and reaches the output at
// (2y - d + p, 2x - e + p) through the weight at (d, e).
at::Tensor AsTransposedConvolution(const at::Tensor& x,
                                   const at::Tensor& weight,
                                   const at::Tensor& bias) {
  const int64_t p = (Size(weight, 2) - 1) / 2;
  const std::array<int64_t, 2> stride = {2, 2}, padding = {p, p},
                               extra = {1, 1};
  return at::conv_transpose2d(x, weight.transpose(0, 1).flip({2, 3}), bias,
                              stride, padding, extra);
}

// The output at row 2i + a is a sum over the taps d for which 2i + a + d - p is
// even, that is d = 2j + p - a, times the input at row i + j. Over both a, j
// goes from -floor(p / 2) to floor((p + 1) / 2): p + 1 taps, and d is
// 2t + p % 2 - a for the tap t = 0..p. So with one zero before (p even) or
// after (p odd) the kernel, tap t of position a is its element 2t + 1 - a.
at::Tensor AsPixelShuffle(const at::Tensor& x, const at::Tensor& weight,
                          const at::Tensor& bias) {
  const int64_t out = Size(weight, 0), in = Size(weight, 1);
  const int64_t p = (Size(weight, 2) - 1) / 2, taps = p + 1, odd = p % 2;
  const std::array<int64_t, 4> zero = {1 - odd, odd, 1 - odd, odd};
  const at::Tensor kernel = at::constant_pad_nd(weight, zero)
                                .view({out, in, taps, 2, taps, 2})
                                .flip({3, 5})
                                .permute({0, 3, 5, 1, 2, 4})
                                .reshape({4 * out, in, taps, taps});
  // For p odd the window reaches one further after than before: pad both sides
  // as far, and leave the first row and column of the result out.
  const int64_t pad = (p + 1) / 2;
  const std::array<int64_t, 2> stride = {1, 1}, padding = {pad, pad};
  at::Tensor y =
      at::conv2d(x, kernel, bias.defined() ? bias.repeat_interleave(4) : bias,
                 stride, padding);
  if (odd == 1) y = y.slice(2, 1).slice(3, 1);
  return at::pixel_shuffle(y, 2);
}

}  // namespace zero_unpool_internal

at::Tensor ZeroUnpoolConvolution(const at::Tensor& x, const at::Tensor& weight,
                                 const at::Tensor& bias) {
  return CallConvolution(
      x, weight,
      bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt);
}

// Both are made of LibTorch's operators, on every device.
TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  m.def("zero_unpool2d(Tensor x) -> Tensor", TORCH_FN(Unpool));
  m.def(
      "zero_unpool_convolution(Tensor x, Tensor weight, Tensor? bias=None) -> "
      "Tensor",
      TORCH_FN(Convolution));
  AutocastToHalf<&CallConvolution>(&m, "zero_unpool_convolution");
}

}  // namespace seg
