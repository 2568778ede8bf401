// The spatial propagation as an operator of LibTorch's dispatcher
// (torch.ops.segpapers.spatial_propagation in Python).
#include <ATen/ATen.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/csrc/autograd/custom_function.h>

#include <string>
#include <tuple>
#include <vector>

#include "common/layers/dispatch/dispatch.h"
#include "common/layers/dispatch/traced.h"
#include "common/layers/once_differentiable/once_differentiable.h"
#include "common/layers/spatial_propagation/spatial_propagation.h"

namespace seg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

SpatialPropagationOptions Options(bool three_way, c10::string_view rule,
                                  bool sum_all_gates) {
  struct Name {
    c10::string_view name;
    GateNormalization rule;
  };
  constexpr Name kNames[] = {{"divide", GateNormalization::kDivide},
                             {"divide_plus", GateNormalization::kDividePlus},
                             {"clamp", GateNormalization::kClamp},
                             {"tanh", GateNormalization::kTanh},
                             {"none", GateNormalization::kNone}};
  for (const Name& known : kNames) {
    if (known.name == rule) {
      return SpatialPropagationOptions()
          .three_way(three_way)
          .normalization(known.rule)
          .sum_all_gates(sum_all_gates);
    }
  }
  TORCH_CHECK(false,
              "SpatialPropagation: rule must be divide, divide_plus, clamp, "
              "tanh or none, got ",
              rule);
}

// The layout of the result on every device, so that a traced graph is right.
at::MemoryFormat LayoutOf(const at::Tensor& x, const at::Tensor& gates) {
  const bool channels_last = gates.sym_stride(1) == 1 && x.sym_size(1) >= 4;
  return channels_last && x.sym_numel() > 0 ? at::MemoryFormat::ChannelsLast
                                            : at::MemoryFormat::Contiguous;
}

at::Tensor Run(const at::Tensor& x, const at::Tensor& gates, bool three_way,
               c10::string_view rule, bool sum_all_gates) {
  return SpatialPropagation(x, gates, Options(three_way, rule, sum_all_gates))
      .contiguous(LayoutOf(x, gates));
}

at::Tensor RunMeta(const at::Tensor& x, const at::Tensor& gates, bool three_way,
                   c10::string_view rule, bool sum_all_gates) {
  Options(three_way, rule, sum_all_gates);
  TORCH_CHECK(x.dim() == 4 && gates.dim() == 4,
              "SpatialPropagation: x and gates must have four dimensions, got ",
              x.sym_sizes(), " and ", gates.sym_sizes());
  return at::empty_symint(x.sym_sizes(), x.options(), LayoutOf(x, gates));
}

// Gradients of x and gates, by a second run.
std::tuple<at::Tensor, at::Tensor> Gradient(
    const at::Tensor& g, const at::Tensor& x, const at::Tensor& gates,
    bool three_way, c10::string_view rule, bool sum_all_gates, bool want_x,
    bool want_gates) {
  const SpatialPropagationOptions options =
      Options(three_way, rule, sum_all_gates);
  const std::vector<at::Tensor> result = GradientByRecomputation(
      [&](const std::vector<at::Tensor>& in) {
        return SpatialPropagation(in[0], in[1], options);
      },
      {x, gates}, {want_x, want_gates}, g);
  return {want_x ? result[0].contiguous() : at::Tensor(),
          want_gates ? result[1].contiguous() : at::Tensor()};
}

std::tuple<at::Tensor, at::Tensor> GradientMeta(const at::Tensor&,
                                                const at::Tensor& x,
                                                const at::Tensor& gates, bool,
                                                c10::string_view, bool,
                                                bool want_x, bool want_gates) {
  return {want_x ? at::empty_symint(x.sym_sizes(), x.options()) : at::Tensor(),
          want_gates ? at::empty_symint(gates.sym_sizes(), gates.options())
                     : at::Tensor()};
}

class TracedFunction : public torch::autograd::Function<TracedFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& gates, bool three_way,
                            const std::string& rule, bool sum_all_gates) {
    static const auto op = FindOperator<decltype(Run)>("spatial_propagation");
    context->save_for_backward({x, gates});
    context->saved_data["three_way"] = three_way;
    context->saved_data["rule"] = rule;
    context->saved_data["sum_all_gates"] = sum_all_gates;
    const at::AutoDispatchBelowADInplaceOrView guard;
    return op.call(x, gates, three_way, rule, sum_all_gates);
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    static const auto op =
        FindOperator<decltype(Gradient)>("spatial_propagation_gradient");
    const variable_list saved = context->get_saved_variables();
    variable_list result(5);
    {
      const at::NoGradGuard no_grad;
      const at::AutoDispatchBelowADInplaceOrView guard;
      std::tie(result[0], result[1]) =
          op.call(gradients[0], saved[0], saved[1],
                  context->saved_data["three_way"].toBool(),
                  context->saved_data["rule"].toStringRef(),
                  context->saved_data["sum_all_gates"].toBool(),
                  context->needs_input_grad(0), context->needs_input_grad(1));
    }
    RefuseSecondDerivatives("SpatialPropagation",
                            {gradients[0], saved[0], saved[1]}, &result);
    return result;
  }
};

at::Tensor RunAutograd(const at::Tensor& x, const at::Tensor& gates,
                       bool three_way, c10::string_view rule,
                       bool sum_all_gates) {
  // A mode of Python's (FakeTensorMode, opcheck) sees the operator whole: the
  // raw ones have no sizes without memory.
  if (IsTraced({x, gates}) ||
      c10::impl::tls_is_dispatch_key_included(c10::DispatchKey::Python)) {
    return TracedFunction::apply(x, gates, three_way, std::string(rule),
                                 sum_all_gates);
  }
  return Run(x, gates, three_way, rule, sum_all_gates);
}

// What autocast calls.
at::Tensor Call(const at::Tensor& x, const at::Tensor& gates, bool three_way,
                c10::string_view rule, bool sum_all_gates) {
  static const auto op = FindOperator<decltype(Run)>("spatial_propagation");
  return op.call(x, gates, three_way, rule, sum_all_gates);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  m.def(
      "spatial_propagation(Tensor x, Tensor gates, bool three_way=True, str "
      "rule='divide', bool sum_all_gates=False) -> Tensor");
  m.def(
      "spatial_propagation_gradient(Tensor g, Tensor x, Tensor gates, bool "
      "three_way, str rule, bool sum_all_gates, bool want_x, bool want_gates) "
      "-> (Tensor, Tensor)");
  AutocastToFloat<&Call>(&m, "spatial_propagation");
}

TORCH_LIBRARY_IMPL(segpapers, Autograd, m) {
  m.impl("spatial_propagation", TORCH_FN(RunAutograd));
}
TORCH_LIBRARY_IMPL(segpapers, CPU, m) {
  m.impl("spatial_propagation", TORCH_FN(Run));
  m.impl("spatial_propagation_gradient", TORCH_FN(Gradient));
}
// The function itself says what it has no kernel for.
TORCH_LIBRARY_IMPL(segpapers, CUDA, m) {
  m.impl("spatial_propagation", TORCH_FN(Run));
  m.impl("spatial_propagation_gradient", TORCH_FN(Gradient));
}
TORCH_LIBRARY_IMPL(segpapers, Meta, m) {
  m.impl("spatial_propagation", TORCH_FN(RunMeta));
  m.impl("spatial_propagation_gradient", TORCH_FN(GradientMeta));
}

}  // namespace seg
