#include "common/layers/simplex_projection/simplex_projection.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <type_traits>

#include "common/layers/simplex_projection/simplex_projection_cpu.h"

namespace seg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Blocks (of at most 16 KiB of labels) that make a task worth a thread.
constexpr int64_t kGrain = 8;

// Stride of one flat pixel axis over the axes after the labels, if there is
// one: axis d must step over all of axis d + 1.
std::optional<int64_t> PixelStride(const at::Tensor& x) {
  int64_t stride = 0, expected = -1;
  bool first = true;
  for (int64_t d = x.dim() - 1; d >= 2; --d) {
    if (x.size(d) == 1) continue;
    if (first) {
      stride = x.stride(d);
    } else if (x.stride(d) != expected) {
      return std::nullopt;
    }
    first = false;
    expected = x.stride(d) * x.size(d);
  }
  return first ? 1 : stride;
}

// `x` itself when its pixels have one stride, else a contiguous copy.
at::Tensor WithPixelStride(const at::Tensor& x) {
  return PixelStride(x) ? x : x.contiguous();
}

template <typename T>
SimplexView<T> View(const at::Tensor& x) {
  using Plain = std::remove_const_t<T>;
  SimplexView<T> view;
  if constexpr (std::is_const_v<T>) {
    view.data = x.const_data_ptr<Plain>();
  } else {
    view.data = x.mutable_data_ptr<Plain>();
  }
  // One pixel an image, as in [N, L]: the images serve as pixels.
  const bool rows = x.size(0) * x.size(1) == x.numel();
  view.image_stride = rows ? 0 : x.stride(0);
  view.label_stride = x.stride(1);
  view.pixel_stride = rows ? x.stride(0) : *PixelStride(x);
  return view;
}

// x is not empty.
SimplexSizes Sizes(const at::Tensor& x) {
  const int64_t images = x.size(0), labels = x.size(1);
  const int64_t pixels = x.numel() / (images * labels);
  if (pixels == 1) return {1, labels, images};
  return {images, labels, pixels};
}

// gradient may be undefined.
at::Tensor RunForward(const at::Tensor& x_any, const at::Tensor& gradient_any,
                      double step, double leak) {
  // Dense layouts keep their strides; others become contiguous.
  at::Tensor y = at::empty_like(x_any);
  if (y.numel() == 0) return y;
  const at::Tensor x = WithPixelStride(x_any);
  if (!PixelStride(y)) y = at::empty(x.sizes(), x.options());
  const at::Tensor gradient =
      gradient_any.defined() ? WithPixelStride(gradient_any) : at::Tensor();
  const SimplexSizes sizes = Sizes(x);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "SimplexProjection", [&] {
    const auto x_view = View<const scalar_t>(x);
    const auto y_view = View<scalar_t>(y);
    SimplexView<const scalar_t> g_view;
    if (gradient.defined()) g_view = View<const scalar_t>(gradient);
    at::parallel_for(0, SimplexBlocks(sizes), kGrain,
                     [&](int64_t begin, int64_t end) {
                       SimplexForward<scalar_t>(
                           sizes, x_view, g_view, static_cast<scalar_t>(step),
                           static_cast<scalar_t>(leak), y_view, begin, end);
                     });
  });
  return y;
}

at::Tensor RunBackward(const at::Tensor& y_any, const at::Tensor& g_any,
                       double leak) {
  at::Tensor r = at::empty_like(y_any);
  if (r.numel() == 0) return r;
  const at::Tensor y = WithPixelStride(y_any), g = WithPixelStride(g_any);
  const SimplexSizes sizes = Sizes(y);
  AT_DISPATCH_FLOATING_TYPES(y.scalar_type(), "SimplexProjection", [&] {
    const auto y_view = View<const scalar_t>(y);
    const auto g_view = View<const scalar_t>(g);
    const auto r_view = View<scalar_t>(r);
    at::parallel_for(0, SimplexBlocks(sizes), kGrain,
                     [&](int64_t begin, int64_t end) {
                       SimplexBackward<scalar_t>(sizes, y_view, g_view,
                                                 static_cast<scalar_t>(leak),
                                                 r_view, begin, end);
                     });
  });
  return r;
}

// J v. J is not symmetric where leak > 0: RunBackward gives J^T.
at::Tensor Jacobian(const at::Tensor& y, const at::Tensor& v, double leak) {
  const at::Tensor active = y > 0;
  // 0 / 0 in a NaN pixel, which has no active label: NaN, as it should be.
  const at::Tensor mean = v.masked_fill(~active, 0).sum(1, /*keepdim=*/true) /
                          active.sum(1, /*keepdim=*/true);
  const at::Tensor r = v - mean;
  return at::where(active, r, r * leak);
}

// r = J^T g. The projection is piecewise linear: J does not change with x, and
// the only second derivative is that in g.
class SimplexGradientFunction
    : public torch::autograd::Function<SimplexGradientFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& g,
                            const at::Tensor& y, double leak) {
    context->save_for_backward({y});
    context->saved_data["leak"] = leak;
    return RunBackward(y, g, leak);
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    return {Jacobian(context->get_saved_variables()[0], gradients[0],
                     context->saved_data["leak"].toDouble()),
            at::Tensor(), at::Tensor()};
  }
};

class SimplexFunction : public torch::autograd::Function<SimplexFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const std::optional<at::Tensor>& gradient,
                            double step, double leak) {
    at::Tensor y = RunForward(x, gradient.value_or(at::Tensor()), step, leak);
    context->save_for_backward({y});
    context->saved_data["leak"] = leak;
    context->saved_data["step"] = step;
    context->saved_data["has_gradient"] = gradient.has_value();
    return y;
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const at::Tensor y = context->get_saved_variables()[0].detach();
    const double leak = context->saved_data["leak"].toDouble();
    const at::Tensor r =
        c10::GradMode::is_enabled()
            ? SimplexGradientFunction::apply(gradients[0], y, leak)
            : RunBackward(y, gradients[0], leak);
    at::Tensor dgradient;
    if (context->saved_data["has_gradient"].toBool() &&
        context->needs_input_grad(1)) {
      dgradient = r * -context->saved_data["step"].toDouble();
    }
    return {r, dgradient, at::Tensor(), at::Tensor()};
  }
};

void Check(const char* op, const at::Tensor& x, double leak) {
  TORCH_CHECK(x.dim() >= 2, op, ": x must be [N, L, ...], got sizes ",
              x.sizes());
  TORCH_CHECK(x.size(1) >= 1, op, ": x needs at least one label, got sizes ",
              x.sizes());
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble,
              op, ": x must be float32 or float64, got ", x.scalar_type());
  TORCH_CHECK(x.is_cpu(), op, ": x must be on the CPU, got ", x.device());
  TORCH_CHECK(leak >= 0.0 && leak <= 1.0, op, ": leak must be in [0, 1], got ",
              leak);
}

}  // namespace

at::Tensor SimplexProjection(const at::Tensor& x, double leak) {
  Check("SimplexProjection", x, leak);
  return SimplexFunction::apply(x, std::nullopt, 0.0, leak);
}

at::Tensor SimplexProjectionStep(const at::Tensor& q,
                                 const at::Tensor& gradient, double step,
                                 double leak) {
  Check("SimplexProjectionStep", q, leak);
  TORCH_CHECK(gradient.sizes() == q.sizes(),
              "SimplexProjectionStep: gradient must match q ", q.sizes(),
              ", got ", gradient.sizes());
  TORCH_CHECK(gradient.scalar_type() == q.scalar_type(),
              "SimplexProjectionStep: gradient must have the type of q, ",
              q.scalar_type(), ", got ", gradient.scalar_type());
  TORCH_CHECK(gradient.is_cpu(),
              "SimplexProjectionStep: gradient must be on the CPU, got ",
              gradient.device());
  return SimplexFunction::apply(q, std::optional<at::Tensor>(gradient), step,
                                leak);
}

}  // namespace seg
