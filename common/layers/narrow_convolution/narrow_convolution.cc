#include "common/layers/narrow_convolution/narrow_convolution.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <optional>
#include <tuple>
#include <vector>

#include "common/layers/dispatch/dispatch.h"
#include "common/layers/narrow_convolution/narrow_convolution_cpu.h"

namespace seg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr char kOp[] = "NarrowConvolution";

// Products of channels up to which our forward pass is the faster one
// (README.md).
constexpr int64_t kMaxChannelProducts = 2048;

at::Tensor ChannelsLast(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

NarrowConvolutionSizes Sizes(const at::Tensor& x, const at::Tensor& weight) {
  return {x.size(2), x.size(3), x.size(1), weight.size(0)};
}

// bias, and zeros up to whole vectors.
template <typename T>
at::Tensor PadBias(const at::Tensor& bias) {
  const int64_t out = bias.size(0);
  const at::Tensor padded =
      at::empty({NarrowConvolutionPadded<T>(out)}, bias.options());
  T* const to = padded.mutable_data_ptr<T>();
  const at::Tensor dense = bias.contiguous();
  const T* const from = dense.const_data_ptr<T>();
  for (int64_t o = 0; o < padded.size(0); ++o) to[o] = o < out ? from[o] : T(0);
  return padded;
}

// The CPU, and the place of tensors that only have sizes.
bool HasKernel(const at::Tensor& x) { return x.is_cpu() || x.is_meta(); }

void Check(const at::Tensor& x, const at::Tensor& weight,
           const at::Tensor& bias, double slope) {
  TORCH_CHECK(
      weight.dim() == 4 && weight.sym_size(2) == 3 && weight.sym_size(3) == 3,
      "NarrowConvolution: weight must be [O,C,3,3], got ", weight.sym_sizes());
  TORCH_CHECK(x.dim() == 4 && x.sym_size(1) == weight.sym_size(1),
              "NarrowConvolution: x must be [N,", weight.sym_size(1),
              ",H,W] for ", "weight ", weight.sym_sizes(), ", got ",
              x.sym_sizes());
  TORCH_CHECK(bias.dim() == 1 && bias.sym_size(0) == weight.sym_size(0),
              "NarrowConvolution: bias must be [", weight.sym_size(0),
              "], got ", bias.sym_sizes());
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble,
              "NarrowConvolution: x must be float32 or float64, got ",
              x.scalar_type());
  TORCH_CHECK(weight.scalar_type() == x.scalar_type() &&
                  bias.scalar_type() == x.scalar_type(),
              "NarrowConvolution: weight and bias must be ", x.scalar_type(),
              ", as x, got ", weight.scalar_type(), " and ",
              bias.scalar_type());
  TORCH_CHECK(HasKernel(x) && weight.device() == x.device() &&
                  bias.device() == x.device(),
              "NarrowConvolution: x, weight and bias must be on the CPU, got ",
              x.device(), ", ", weight.device(), " and ", bias.device());
  TORCH_CHECK(slope >= 0 && slope <= 1,
              "NarrowConvolution: slope must be in [0,1], got ", slope);
}

// The raw operators: no autograd.

at::Tensor ForwardCpu(const at::Tensor& x_any, const at::Tensor& weight_any,
                      const at::Tensor& bias, double slope) {
  Check(x_any, weight_any, bias, slope);
  const at::Tensor x = ChannelsLast(x_any);
  const NarrowConvolutionSizes sizes = Sizes(x, weight_any);
  const int64_t images = x.size(0);
  const at::Tensor y = at::empty({images, sizes.out, sizes.height, sizes.width},
                                 x.options(), at::MemoryFormat::ChannelsLast);
  if (y.numel() == 0) return y;
  const at::Tensor weight = weight_any.contiguous();
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), kOp, [&] {
    const at::Tensor packed =
        at::empty({9 * sizes.in * NarrowConvolutionPadded<scalar_t>(sizes.out)},
                  x.options());
    scalar_t* const w = packed.mutable_data_ptr<scalar_t>();
    NarrowConvolutionPack(sizes, weight.const_data_ptr<scalar_t>(), w);
    const at::Tensor padded_bias = PadBias<scalar_t>(bias);
    const scalar_t* const b = padded_bias.const_data_ptr<scalar_t>();
    const scalar_t* const from = x.const_data_ptr<scalar_t>();
    scalar_t* const to = y.mutable_data_ptr<scalar_t>();
    const int64_t chunks = NarrowConvolutionChunks<scalar_t>(sizes);
    const int64_t pixels = sizes.height * sizes.width;
    at::parallel_for(0, images * chunks, 1, [&](int64_t begin, int64_t end) {
      const at::Tensor scratch =
          at::empty({NarrowConvolutionScratch<scalar_t>(sizes)}, x.options());
      for (int64_t i = begin; i < end; ++i) {
        const int64_t image = i / chunks;
        NarrowConvolutionForward(
            sizes, i % chunks, from + image * pixels * sizes.in, w, b,
            static_cast<scalar_t>(slope), to + image * pixels * sizes.out,
            scratch.mutable_data_ptr<scalar_t>());
      }
    });
  });
  return y;
}

// Adds up `images` arrays of `count` values, in order.
template <typename T>
void SumImages(const T* parts, int64_t images, int64_t count, T* total) {
  std::copy(parts, parts + count, total);
  for (int64_t n = 1; n < images; ++n) {
    const T* const part = parts + n * count;
    for (int64_t i = 0; i < count; ++i) total[i] += part[i];
  }
}

// Gradients of x, weight and bias; undefined where not wanted. y: none where
// slope is 1.
std::tuple<at::Tensor, at::Tensor, at::Tensor> BackwardCpu(
    const at::Tensor& x_any, const at::Tensor& weight_any,
    const std::optional<at::Tensor>& y, const at::Tensor& y_gradient_any,
    double slope, bool want_x, bool want_weight) {
  Check(x_any, weight_any, weight_any.flatten(1).select(1, 0), slope);
  const std::vector<int64_t> y_sizes = {x_any.size(0), weight_any.size(0),
                                        x_any.size(2), x_any.size(3)};
  CheckRaw(kOp, y_gradient_any, y_sizes, x_any);
  TORCH_CHECK(slope == 1 || y.has_value(), kOp, ": y is needed where slope is ",
              slope);
  if (y.has_value()) CheckRaw(kOp, *y, y_sizes, x_any);
  const at::Tensor x = ChannelsLast(x_any);
  const at::Tensor y_gradient = ChannelsLast(y_gradient_any);
  const at::Tensor value_map = y.has_value() ? ChannelsLast(*y) : at::Tensor();
  const NarrowConvolutionSizes sizes = Sizes(x, weight_any);
  const int64_t images = x.size(0);
  at::Tensor x_gradient, weight_gradient, bias_gradient;
  if (want_x) {
    x_gradient =
        at::empty(x.sizes(), x.options(), at::MemoryFormat::ChannelsLast);
  }
  if (x.numel() == 0) {
    if (want_weight) {
      weight_gradient = at::zeros_like(weight_any);
      bias_gradient = at::zeros({sizes.out}, x.options());
    }
    return {x_gradient, weight_gradient, bias_gradient};
  }
  const at::Tensor weight = weight_any.contiguous();
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), kOp, [&] {
    const int64_t out = NarrowConvolutionPadded<scalar_t>(sizes.out);
    const int64_t taps = 9 * sizes.in * out;
    at::Tensor packed, parts;
    scalar_t* w = nullptr;
    if (want_x) {
      packed = at::empty(
          {9 * out * NarrowConvolutionPadded<scalar_t>(sizes.in)}, x.options());
      w = packed.mutable_data_ptr<scalar_t>();
      NarrowConvolutionPackTransposed(sizes, weight.const_data_ptr<scalar_t>(),
                                      w);
    }
    scalar_t* part = nullptr;
    if (want_weight) {
      parts = at::empty({images + 1, taps + out}, x.options());
      part = parts.mutable_data_ptr<scalar_t>();
    }
    const scalar_t* const in = x.const_data_ptr<scalar_t>();
    const scalar_t* const value =
        slope == 1 ? nullptr : value_map.const_data_ptr<scalar_t>();
    const scalar_t* const g = y_gradient.const_data_ptr<scalar_t>();
    scalar_t* const to =
        want_x ? x_gradient.mutable_data_ptr<scalar_t>() : nullptr;
    const int64_t in_image = sizes.height * sizes.width * sizes.in;
    const int64_t out_image = sizes.height * sizes.width * sizes.out;
    at::parallel_for(0, images, 1, [&](int64_t begin, int64_t end) {
      const at::Tensor scratch =
          at::empty({NarrowConvolutionScratch<scalar_t>(sizes)}, x.options());
      for (int64_t n = begin; n < end; ++n) {
        scalar_t* const own =
            want_weight ? part + (n + 1) * (taps + out) : nullptr;
        NarrowConvolutionBackward(
            sizes, in + n * in_image,
            value == nullptr ? nullptr : value + n * out_image,
            g + n * out_image, w, static_cast<scalar_t>(slope),
            want_x ? to + n * in_image : nullptr, own,
            want_weight ? own + taps : nullptr,
            scratch.mutable_data_ptr<scalar_t>());
      }
    });
    if (want_weight) {
      SumImages(part + taps + out, images, taps + out, part);
      const at::Tensor total = parts[0];
      weight_gradient = total.narrow(0, 0, taps)
                            .view({3, 3, sizes.in, out})
                            .narrow(3, 0, sizes.out)
                            .permute({3, 2, 0, 1})
                            .contiguous();
      bias_gradient = total.narrow(0, taps, sizes.out).clone();
    }
  });
  return {x_gradient, weight_gradient, bias_gradient};
}

at::Tensor EmptyMap(at::SymIntArrayRef sizes, const at::Tensor& like) {
  return at::empty_symint(sizes, like.options(),
                          at::MemoryFormat::ChannelsLast);
}

at::Tensor ForwardMeta(const at::Tensor& x, const at::Tensor& weight,
                       const at::Tensor&, double) {
  return EmptyMap(
      {x.sym_size(0), weight.sym_size(0), x.sym_size(2), x.sym_size(3)}, x);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> BackwardMeta(
    const at::Tensor& x, const at::Tensor& weight,
    const std::optional<at::Tensor>&, const at::Tensor&, double, bool want_x,
    bool want_weight) {
  at::Tensor x_gradient, weight_gradient, bias_gradient;
  if (want_x) x_gradient = EmptyMap(x.sym_sizes(), x);
  if (want_weight) {
    weight_gradient = at::empty_symint(weight.sym_sizes(), weight.options());
    bias_gradient = at::empty_symint({weight.sym_size(0)}, weight.options());
  }
  return {x_gradient, weight_gradient, bias_gradient};
}

at::Tensor RunForward(const at::Tensor& x, const at::Tensor& weight,
                      const at::Tensor& bias, double slope) {
  static const auto op =
      FindOperator<decltype(ForwardCpu)>("narrow_convolution_forward");
  const at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(x, weight, bias, slope);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> RunBackward(
    const at::Tensor& x, const at::Tensor& weight, const at::Tensor& y,
    const at::Tensor& y_gradient, double slope, bool want_x, bool want_weight) {
  static const auto op =
      FindOperator<decltype(BackwardCpu)>("narrow_convolution_backward");
  const at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(x, weight,
                 y.defined() ? std::optional<at::Tensor>(y) : std::nullopt,
                 y_gradient, slope, want_x, want_weight);
}

class NarrowConvolutionFunction
    : public torch::autograd::Function<NarrowConvolutionFunction> {
 public:
  // x is channels-last. own_gradients: by our kernels, else by LibTorch's.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias,
                            double slope, bool own_gradients) {
    at::Tensor y = RunForward(x, weight, bias, slope);
    context->save_for_backward({x, weight, slope == 1 ? at::Tensor() : y});
    context->saved_data["slope"] = slope;
    context->saved_data["own_gradients"] = own_gradients;
    return y;
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const double slope = context->saved_data["slope"].toDouble();
    const bool want_x = context->needs_input_grad(0);
    const bool want_weight =
        context->needs_input_grad(1) || context->needs_input_grad(2);
    // A graph of the gradients is made of LibTorch's operators.
    const bool graph = c10::GradMode::is_enabled();
    const bool own = context->saved_data["own_gradients"].toBool();
    at::Tensor x_gradient, weight_gradient, bias_gradient;
    const std::array<c10::SymInt, 2> one = {1, 1}, zero = {0, 0};
    const std::array<c10::SymInt, 1> outputs = {weight.sym_size(0)};
    if (graph || (!own && x.sym_numel() > 0)) {
      at::Tensor g = graph ? gradients[0] : ChannelsLast(gradients[0]);
      if (slope != 1) {
        // The sign of y is all that matters: nothing flows back to it.
        g = at::leaky_relu_backward(g, saved[2].detach(), slope,
                                    /*self_is_result=*/true);
      }
      std::tie(x_gradient, weight_gradient, bias_gradient) =
          at::convolution_backward_symint(
              g, x, weight, c10::SymIntArrayRef(outputs), /*stride=*/one,
              /*padding=*/one, /*dilation=*/one, /*transposed=*/false,
              /*output_padding=*/zero, /*groups=*/1,
              {want_x, want_weight, want_weight});
    } else {
      std::tie(x_gradient, weight_gradient, bias_gradient) =
          RunBackward(x, weight, saved[2], ChannelsLast(gradients[0]), slope,
                      want_x, want_weight);
    }
    return {x_gradient, weight_gradient, bias_gradient, at::Tensor(),
            at::Tensor()};
  }
};

at::Tensor NarrowAutograd(const at::Tensor& x, const at::Tensor& weight,
                          const at::Tensor& bias, double slope) {
  Check(x, weight, bias, slope);
  return NarrowConvolutionFunction::apply(ChannelsLast(x), weight, bias, slope,
                                          /*own_gradients=*/true);
}

at::Tensor Narrow(const at::Tensor& x, const at::Tensor& weight,
                  const at::Tensor& bias, double slope) {
  Check(x, weight, bias, slope);
  return RunForward(ChannelsLast(x), weight, bias, slope);
}

at::Tensor Fastest(const at::Tensor& x, const at::Tensor& weight,
                   const at::Tensor& bias, double slope) {
  const bool ours =
      HasKernel(x) &&
      (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble) &&
      weight.sym_size(0) * weight.sym_size(1) <= kMaxChannelProducts;
  if (ours) {
    Check(x, weight, bias, slope);
    return NarrowConvolutionFunction::apply(ChannelsLast(x), weight, bias,
                                            slope,
                                            /*own_gradients=*/false);
  }
  at::Tensor y = at::conv2d(x, weight, bias, /*stride=*/1, /*padding=*/1);
  return slope == 1 ? y : at::leaky_relu_(y, slope);
}

}  // namespace

at::Tensor NarrowConvolution(const at::Tensor& x, const at::Tensor& weight,
                             const at::Tensor& bias, double slope) {
  static const auto op = FindOperator<decltype(Narrow)>("narrow_convolution");
  return op.call(x, weight, bias, slope);
}

at::Tensor Convolution3x3(const at::Tensor& x, const at::Tensor& weight,
                          const at::Tensor& bias, double slope) {
  static const auto op = FindOperator<decltype(Fastest)>("convolution3x3");
  return op.call(x, weight, bias, slope);
}

TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  m.def(
      "narrow_convolution(Tensor x, Tensor weight, Tensor bias, float "
      "slope=1.) "
      "-> Tensor");
  m.def(
      "narrow_convolution_forward(Tensor x, Tensor weight, Tensor bias, float "
      "slope) -> Tensor");
  m.def(
      "narrow_convolution_backward(Tensor x, Tensor weight, Tensor? y, Tensor "
      "y_gradient, float slope, bool want_x, bool want_weight) -> (Tensor, "
      "Tensor, Tensor)");
  m.def(
      "convolution3x3(Tensor x, Tensor weight, Tensor bias, float slope=1.) -> "
      "Tensor",
      TORCH_FN(Fastest));
  AutocastToFloat<&NarrowConvolution>(&m, "narrow_convolution");
  AutocastToHalf<&Convolution3x3>(&m, "convolution3x3");
}

TORCH_LIBRARY_IMPL(segpapers, Autograd, m) {
  m.impl("narrow_convolution", TORCH_FN(NarrowAutograd));
}
TORCH_LIBRARY_IMPL(segpapers, CompositeExplicitAutograd, m) {
  m.impl("narrow_convolution", TORCH_FN(Narrow));
}
TORCH_LIBRARY_IMPL(segpapers, CPU, m) {
  m.impl("narrow_convolution_forward", TORCH_FN(ForwardCpu));
  m.impl("narrow_convolution_backward", TORCH_FN(BackwardCpu));
}
TORCH_LIBRARY_IMPL(segpapers, Meta, m) {
  m.impl("narrow_convolution_forward", TORCH_FN(ForwardMeta));
  m.impl("narrow_convolution_backward", TORCH_FN(BackwardMeta));
}

}  // namespace seg
