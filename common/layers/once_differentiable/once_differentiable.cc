#include "common/layers/once_differentiable/once_differentiable.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <string>
#include <vector>

namespace seg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class RefusingFunction : public torch::autograd::Function<RefusingFunction> {
 public:
  // The sources only tie the result to what it depends on.
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& gradient, at::TensorList,
                            const std::string& op) {
    context->saved_data["op"] = op;
    return gradient.clone();
  }
  static variable_list backward(AutogradContext* context,
                                const variable_list&) {
    TORCH_CHECK(false, context->saved_data["op"].toStringRef(),
                ": second derivatives are not supported");
    return {};
  }
};

}  // namespace

void RefuseSecondDerivatives(const char* op, at::TensorList sources,
                             std::vector<at::Tensor>* gradients) {
  if (!c10::GradMode::is_enabled()) return;
  for (at::Tensor& gradient : *gradients) {
    if (gradient.defined()) {
      gradient = RefusingFunction::apply(gradient, sources, std::string(op));
    }
  }
}

}  // namespace seg
