#include "common/layers/simplex_projection/simplex_projection.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "common/layers/dispatch/dispatch.h"
#include "common/layers/simplex_projection/simplex_projection_ops.h"

namespace seg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// J v. J is not symmetric where leak > 0: the raw operator gives J^T.
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
    return SimplexProjectionBackward(y, g, leak);
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
    at::Tensor y = SimplexProjectionForward(x, gradient, step, leak);
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
            : SimplexProjectionBackward(y, gradients[0], leak);
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
              x.sym_sizes());
  TORCH_CHECK(x.sym_size(1) >= 1, op,
              ": x needs at least one label, got sizes ", x.sym_sizes());
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble,
              op, ": x must be float32 or float64, got ", x.scalar_type());
  CheckBuiltFor(op, SimplexProjectionForwardOperator(), x);
  TORCH_CHECK(leak >= 0.0 && leak <= 1.0, op, ": leak must be in [0, 1], got ",
              leak);
}

void CheckStep(const at::Tensor& q, const at::Tensor& gradient, double leak) {
  Check("SimplexProjectionStep", q, leak);
  TORCH_CHECK(gradient.sym_sizes() == q.sym_sizes(),
              "SimplexProjectionStep: gradient must match q ", q.sym_sizes(),
              ", got ", gradient.sym_sizes());
  TORCH_CHECK(gradient.scalar_type() == q.scalar_type(),
              "SimplexProjectionStep: gradient must have the type of q, ",
              q.scalar_type(), ", got ", gradient.scalar_type());
  TORCH_CHECK(gradient.device() == q.device(),
              "SimplexProjectionStep: gradient must be on the device of q, ",
              q.device(), ", got ", gradient.device());
}

at::Tensor ProjectionAutograd(const at::Tensor& x, double leak) {
  Check("SimplexProjection", x, leak);
  return SimplexFunction::apply(x, std::nullopt, 0.0, leak);
}

at::Tensor StepAutograd(const at::Tensor& q, const at::Tensor& gradient,
                        double step, double leak) {
  CheckStep(q, gradient, leak);
  return SimplexFunction::apply(q, std::optional<at::Tensor>(gradient), step,
                                leak);
}

at::Tensor Projection(const at::Tensor& x, double leak) {
  Check("SimplexProjection", x, leak);
  return SimplexProjectionForward(x, std::nullopt, 0.0, leak);
}

at::Tensor Step(const at::Tensor& q, const at::Tensor& gradient, double step,
                double leak) {
  CheckStep(q, gradient, leak);
  return SimplexProjectionForward(q, gradient, step, leak);
}

}  // namespace

at::Tensor SimplexProjection(const at::Tensor& x, double leak) {
  static const auto op =
      FindOperator<decltype(Projection)>("simplex_projection");
  return op.call(x, leak);
}

at::Tensor SimplexProjectionStep(const at::Tensor& q,
                                 const at::Tensor& gradient, double step,
                                 double leak) {
  static const auto op =
      FindOperator<decltype(Step)>("simplex_projection_step");
  return op.call(q, gradient, step, leak);
}

TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  m.def("simplex_projection(Tensor x, float leak=0.) -> Tensor");
  m.def(
      "simplex_projection_step(Tensor q, Tensor gradient, float step, float "
      "leak=0.) -> Tensor");
  AutocastToFloat<&SimplexProjection>(&m, "simplex_projection");
  AutocastToFloat<&SimplexProjectionStep>(&m, "simplex_projection_step");
}

TORCH_LIBRARY_IMPL(segpapers, Autograd, m) {
  m.impl("simplex_projection", TORCH_FN(ProjectionAutograd));
  m.impl("simplex_projection_step", TORCH_FN(StepAutograd));
}

TORCH_LIBRARY_IMPL(segpapers, CompositeExplicitAutograd, m) {
  m.impl("simplex_projection", TORCH_FN(Projection));
  m.impl("simplex_projection_step", TORCH_FN(Step));
}

}  // namespace seg
