#include "common/layers/label_convolution/label_convolution.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>
#include <utility>

#include "common/layers/dispatch/dispatch.h"
#include "common/layers/label_convolution/label_convolution_cpu.h"

namespace seg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Parts of the weight gradient, each with its own double sum: a number that
// only the sizes decide, so that the result does not depend on threads. Fewer
// where they would take more memory than this.
constexpr int64_t kGradientParts = 16;
constexpr int64_t kGradientPartsBytes = int64_t{64} << 20;
// Rows that make a task worth a thread.
constexpr int64_t kRowGrain = 8;

LabelConvolutionSizes Sizes(const at::Tensor& q, const at::Tensor& weight) {
  LabelConvolutionSizes sizes;
  sizes.images = q.size(0);
  sizes.in_labels = q.size(1);
  sizes.out_labels = weight.size(0);
  sizes.height = q.size(2);
  sizes.width = q.size(3);
  sizes.kernel_height = weight.size(2);
  sizes.kernel_width = weight.size(3);
  return sizes;
}

LabelConvolutionSizes Transposed(LabelConvolutionSizes sizes) {
  std::swap(sizes.in_labels, sizes.out_labels);
  return sizes;
}

// Bordered copy [N, L, padded_plane] of x [N, L, H, W].
at::Tensor Pad(const LabelConvolutionSizes& sizes, const at::Tensor& x) {
  const int64_t labels = x.size(1), plane = sizes.padded_plane();
  at::Tensor padded = at::empty({x.size(0), labels, plane}, x.options());
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "LabelConvolution", [&] {
    const scalar_t* from = x.const_data_ptr<scalar_t>();
    scalar_t* to = padded.mutable_data_ptr<scalar_t>();
    at::parallel_for(0, x.size(0) * labels, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        PadPlane<scalar_t>(
            sizes, from + i / labels * x.stride(0) + i % labels * x.stride(1),
            x.stride(2), x.stride(3), to + i * plane);
      }
    });
  });
  return padded;
}

// padded: Pad of [N, L_in, H, W].
at::Tensor Correlate(const LabelConvolutionSizes& sizes,
                     const at::Tensor& padded, const at::Tensor& weight) {
  at::Tensor out =
      at::empty({sizes.images, sizes.out_labels, sizes.height, sizes.width},
                padded.options());
  const at::Tensor packed = weight.permute({1, 2, 3, 0}).contiguous();
  AT_DISPATCH_FLOATING_TYPES(out.scalar_type(), "LabelConvolution", [&] {
    const scalar_t* from = padded.const_data_ptr<scalar_t>();
    const scalar_t* w = packed.const_data_ptr<scalar_t>();
    scalar_t* to = out.mutable_data_ptr<scalar_t>();
    at::parallel_for(0, sizes.images * sizes.height, kRowGrain,
                     [&](int64_t begin, int64_t end) {
                       CorrelateRows<scalar_t>(sizes, from, w, to, begin, end);
                     });
  });
  return out;
}

at::Tensor WeightGradient(const LabelConvolutionSizes& sizes,
                          const at::Tensor& padded,
                          const at::Tensor& padded_out) {
  const int64_t part_bytes = sizes.out_labels * sizes.in_labels *
                             sizes.kernel_height * sizes.kernel_width *
                             static_cast<int64_t>(sizeof(double));
  const int64_t count =
      std::clamp<int64_t>(kGradientPartsBytes / part_bytes, 1, kGradientParts);
  at::Tensor parts = at::zeros({count, sizes.out_labels, sizes.in_labels,
                                sizes.kernel_height, sizes.kernel_width},
                               padded.options().dtype(at::kDouble));
  const int64_t rows = sizes.images * sizes.height;
  const int64_t per_part = (rows + count - 1) / count;
  AT_DISPATCH_FLOATING_TYPES(padded.scalar_type(), "LabelConvolution", [&] {
    const scalar_t* x = padded.const_data_ptr<scalar_t>();
    const scalar_t* g = padded_out.const_data_ptr<scalar_t>();
    double* to = parts.mutable_data_ptr<double>();
    at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        AccumulateWeightGradient<scalar_t>(
            sizes, x, g, to + i * parts.stride(0), std::min(i * per_part, rows),
            std::min((i + 1) * per_part, rows));
      }
    });
  });
  return parts.sum(0).to(padded.scalar_type());
}

void CheckKernel(const char* op, const at::Tensor& weight) {
  TORCH_CHECK(weight.dim() == 4, op,
              ": weight must be [L_out, L_in, K_h, K_w], got sizes ",
              weight.sym_sizes());
  TORCH_CHECK(weight.sym_size(2) % 2 == 1 && weight.sym_size(3) % 2 == 1, op,
              ": the kernel must have an odd height and width, got sizes ",
              weight.sym_sizes());
}

void CheckSquare(const char* op, const at::Tensor& weight) {
  CheckKernel(op, weight);
  TORCH_CHECK(weight.sym_size(0) == weight.sym_size(1), op,
              ": the kernel must have as many output as input labels, got ",
              weight.sym_sizes());
}

void Check(const at::Tensor& q, const at::Tensor& weight) {
  TORCH_CHECK(q.dim() == 4, "LabelConvolution: q must be [N, L, H, W], got ",
              q.sym_sizes());
  CheckKernel("LabelConvolution", weight);
  TORCH_CHECK(weight.sym_size(1) == q.sym_size(1),
              "LabelConvolution: weight takes ", weight.sym_size(1),
              " labels, q has ", q.sym_size(1));
  TORCH_CHECK(q.scalar_type() == at::kFloat || q.scalar_type() == at::kDouble,
              "LabelConvolution: q must be float32 or float64, got ",
              q.scalar_type());
  TORCH_CHECK(weight.scalar_type() == q.scalar_type(),
              "LabelConvolution: weight must have the type of q, ",
              q.scalar_type(), ", got ", weight.scalar_type());
  TORCH_CHECK(q.device() == weight.device(),
              "LabelConvolution: q and weight must be on one device, got ",
              q.device(), " and ", weight.device());
}

// g: the gradient of the output.
void CheckGradient(const at::Tensor& g, const at::Tensor& q,
                   const at::Tensor& weight) {
  Check(q, weight);
  CheckRaw("LabelConvolution", g,
           {q.size(0), weight.size(0), q.size(2), q.size(3)}, q);
}

// The raw operators: no autograd.

at::Tensor ForwardCpu(const at::Tensor& q, const at::Tensor& weight) {
  Check(q, weight);
  const LabelConvolutionSizes sizes = Sizes(q, weight);
  if (q.numel() == 0 || weight.numel() == 0) {
    return at::zeros(
        {sizes.images, sizes.out_labels, sizes.height, sizes.width},
        q.options());
  }
  return Correlate(sizes, Pad(sizes, q), weight);
}

// Gradients of q and weight; undefined where not wanted.
std::tuple<at::Tensor, at::Tensor> BackwardCpu(const at::Tensor& g,
                                               const at::Tensor& q,
                                               const at::Tensor& weight,
                                               bool want_q, bool want_weight) {
  CheckGradient(g, q, weight);
  at::Tensor dq, dweight;
  if (q.numel() == 0 || weight.numel() == 0) {
    if (want_q) dq = at::zeros(q.sizes(), q.options());
    if (want_weight) dweight = at::zeros(weight.sizes(), weight.options());
    return {dq, dweight};
  }
  const LabelConvolutionSizes sizes = Sizes(q, weight);
  const LabelConvolutionSizes transposed = Transposed(sizes);
  const at::Tensor padded_g = Pad(transposed, g);
  if (want_q) dq = Correlate(transposed, padded_g, TransposedKernel(weight));
  if (want_weight) dweight = WeightGradient(sizes, Pad(sizes, q), padded_g);
  return {dq, dweight};
}

at::Tensor ForwardMeta(const at::Tensor& q, const at::Tensor& weight) {
  return at::empty_symint(
      {q.sym_size(0), weight.sym_size(0), q.sym_size(2), q.sym_size(3)},
      q.options());
}

std::tuple<at::Tensor, at::Tensor> BackwardMeta(const at::Tensor&,
                                                const at::Tensor& q,
                                                const at::Tensor& weight,
                                                bool want_q, bool want_weight) {
  at::Tensor dq, dweight;
  if (want_q) dq = at::empty_symint(q.sym_sizes(), q.options());
  if (want_weight) {
    dweight = at::empty_symint(weight.sym_sizes(), weight.options());
  }
  return {dq, dweight};
}

// LibTorch's convolution, in float32 proper.
at::Tensor ForwardCuda(const at::Tensor& q, const at::Tensor& weight) {
  const at::NoTF32Guard exact;
  const std::array<int64_t, 2> stride = {1, 1};
  const std::array<int64_t, 2> padding = {weight.size(2) / 2,
                                          weight.size(3) / 2};
  return at::conv2d(q, weight, /*bias=*/{}, stride, padding).contiguous();
}

std::tuple<at::Tensor, at::Tensor> BackwardCuda(const at::Tensor& g,
                                                const at::Tensor& q,
                                                const at::Tensor& weight,
                                                bool want_q, bool want_weight) {
  const at::NoTF32Guard exact;
  auto [dq, dweight, dbias] = at::convolution_backward(
      g, q, weight, /*bias_sizes=*/std::nullopt, /*stride=*/{1, 1},
      /*padding=*/{weight.size(2) / 2, weight.size(3) / 2},
      /*dilation=*/{1, 1}, /*transposed=*/false, /*output_padding=*/{0, 0},
      /*groups=*/1, {want_q, want_weight, false});
  return {want_q ? dq.contiguous() : dq,
          want_weight ? dweight.contiguous() : dweight};
}

at::Tensor Forward(const at::Tensor& q, const at::Tensor& weight) {
  static const auto op =
      FindOperator<decltype(ForwardCpu)>("label_convolution_forward");
  const at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(q, weight);
}

std::tuple<at::Tensor, at::Tensor> Backward(const at::Tensor& g,
                                            const at::Tensor& q,
                                            const at::Tensor& weight,
                                            bool want_q, bool want_weight) {
  static const auto op =
      FindOperator<decltype(BackwardCpu)>("label_convolution_backward");
  const at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(g, q, weight, want_q, want_weight);
}

class LabelConvolutionFunction
    : public torch::autograd::Function<LabelConvolutionFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q,
                            const at::Tensor& weight) {
    context->save_for_backward({q, weight});
    return Forward(q, weight);
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    if (c10::GradMode::is_enabled()) {
      return DifferentiableBackward(context, gradients[0]);
    }
    const variable_list saved = context->get_saved_variables();
    const auto [dq, dweight] =
        Backward(gradients[0], saved[0], saved[1], context->needs_input_grad(0),
                 context->needs_input_grad(1));
    return {dq, dweight};
  }

 private:
  // The same where a graph of the gradients is recorded.
  static variable_list DifferentiableBackward(AutogradContext* context,
                                              const at::Tensor& g);
};

// dW of q and g, which is bilinear as the convolution is: with V the gradient
// of dW, <dW, V> = <g, V * q>.
class WeightGradientFunction
    : public torch::autograd::Function<WeightGradientFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q,
                            const at::Tensor& g, const at::Tensor& weight) {
    context->save_for_backward({q, g});
    return std::get<1>(Backward(g, q, weight, /*want_q=*/false,
                                /*want_weight=*/true));
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& v = gradients[0];
    return {LabelConvolutionFunction::apply(saved[1], TransposedKernel(v)),
            LabelConvolutionFunction::apply(saved[0], v), at::Tensor()};
  }
};

variable_list LabelConvolutionFunction::DifferentiableBackward(
    AutogradContext* context, const at::Tensor& g) {
  const variable_list saved = context->get_saved_variables();
  variable_list result(2);
  if (context->needs_input_grad(0)) {
    result[0] = apply(g, TransposedKernel(saved[1]));
  }
  if (context->needs_input_grad(1)) {
    result[1] = WeightGradientFunction::apply(saved[0], g, saved[1].detach());
  }
  return result;
}

at::Tensor ConvolutionAutograd(const at::Tensor& q, const at::Tensor& weight) {
  Check(q, weight);
  return LabelConvolutionFunction::apply(q, weight);
}

at::Tensor Convolution(const at::Tensor& q, const at::Tensor& weight) {
  Check(q, weight);
  return Forward(q, weight);
}

}  // namespace

at::Tensor LabelConvolution(const at::Tensor& q, const at::Tensor& weight) {
  static const auto op =
      FindOperator<decltype(Convolution)>("label_convolution");
  return op.call(q, weight);
}

at::Tensor TransposedKernel(const at::Tensor& weight) {
  CheckKernel("TransposedKernel", weight);
  return weight.transpose(0, 1).flip({2, 3});
}

at::Tensor TiedKernel(const at::Tensor& weight) {
  CheckSquare("TiedKernel", weight);
  return (weight + TransposedKernel(weight)) * 0.5;
}

at::Tensor WithoutCentre(const at::Tensor& weight) {
  CheckKernel("WithoutCentre", weight);
  const int64_t height = weight.size(2), width = weight.size(3);
  at::Tensor centre =
      at::zeros({height, width}, weight.options().dtype(at::kBool));
  centre[height / 2][width / 2].fill_(true);
  return weight.masked_fill(centre, 0.0);
}

void FillGaussianPotts(const at::Tensor& kernel,
                       const GaussianPottsOptions& options) {
  CheckSquare("FillGaussianPotts", kernel);
  TORCH_CHECK(options.theta > 0.0,
              "FillGaussianPotts: theta must be positive, got ", options.theta);
  c10::NoGradGuard no_grad;
  const auto squares = [](int64_t size) {
    const int64_t centre = size / 2;
    return (at::arange(size, at::kDouble) - static_cast<double>(centre))
        .square();
  };
  at::Tensor gaussian =
      ((squares(kernel.size(2)).unsqueeze(1) + squares(kernel.size(3))) *
       (-0.5 / (options.theta * options.theta)))
          .exp();
  if (options.mask_centre) {
    gaussian[kernel.size(2) / 2][kernel.size(3) / 2].zero_();
  }
  // A 1 x 1 kernel without centre has nothing to scale.
  const double sum = gaussian.sum().item<double>();
  if (options.normalize && sum > 0.0) gaussian /= sum;
  gaussian *= options.weight;
  const at::Tensor equal = at::eye(kernel.size(0), at::kDouble)
                               .unsqueeze(2)
                               .unsqueeze(3);  // [L, L, 1, 1]
  kernel.detach().copy_(options.form == PottsForm::kCost
                            ? (1.0 - equal) * gaussian
                            : -equal * gaussian);
}

TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  m.def("label_convolution(Tensor q, Tensor weight) -> Tensor");
  m.def("label_convolution_forward(Tensor q, Tensor weight) -> Tensor");
  m.def(
      "label_convolution_backward(Tensor g, Tensor q, Tensor weight, bool "
      "want_q, bool want_weight) -> (Tensor, Tensor)");
  AutocastToFloat<&LabelConvolution>(&m, "label_convolution");
}

TORCH_LIBRARY_IMPL(segpapers, Autograd, m) {
  m.impl("label_convolution", TORCH_FN(ConvolutionAutograd));
}
TORCH_LIBRARY_IMPL(segpapers, CompositeExplicitAutograd, m) {
  m.impl("label_convolution", TORCH_FN(Convolution));
}
TORCH_LIBRARY_IMPL(segpapers, CPU, m) {
  m.impl("label_convolution_forward", TORCH_FN(ForwardCpu));
  m.impl("label_convolution_backward", TORCH_FN(BackwardCpu));
}
TORCH_LIBRARY_IMPL(segpapers, CUDA, m) {
  m.impl("label_convolution_forward", TORCH_FN(ForwardCuda));
  m.impl("label_convolution_backward", TORCH_FN(BackwardCuda));
}
TORCH_LIBRARY_IMPL(segpapers, Meta, m) {
  m.impl("label_convolution_forward", TORCH_FN(ForwardMeta));
  m.impl("label_convolution_backward", TORCH_FN(BackwardMeta));
}

}  // namespace seg
