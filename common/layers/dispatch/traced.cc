#include "common/layers/dispatch/traced.h"

#include <ATen/ATen.h>
#include <c10/core/AutogradState.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/csrc/autograd/autograd.h>

namespace seg {

bool IsTraced(at::TensorList tensors) {
  constexpr c10::DispatchKeySet kStandIns(
      {c10::DispatchKey::Python, c10::DispatchKey::Functionalize,
       c10::DispatchKey::FuncTorchBatched,
       c10::DispatchKey::FuncTorchGradWrapper});
  for (const at::Tensor& x : tensors) {
    if (!x.defined()) continue;
    if (x.is_meta() || x.key_set().has_any(kStandIns)) return true;
  }
  return false;
}

std::vector<at::Tensor> GradientByRecomputation(
    const std::function<at::Tensor(const std::vector<at::Tensor>&)>& function,
    const std::vector<at::Tensor>& inputs, const std::vector<bool>& wanted,
    const at::Tensor& g) {
  // A kernel runs with autograd's keys out of the way; here they are wanted.
  const c10::impl::LocalDispatchKeySet keys =
      c10::impl::tls_local_dispatch_key_set();
  const c10::impl::ForceDispatchKeyGuard with_autograd(
      keys.included_,
      keys.excluded_ - c10::autograd_dispatch_keyset_with_ADInplaceOrView);
  const c10::AutoGradMode enabled(true);
  std::vector<at::Tensor> leaves, variables;
  for (size_t i = 0; i < inputs.size(); ++i) {
    leaves.push_back(inputs[i].detach().set_requires_grad(wanted[i]));
    if (wanted[i]) variables.push_back(leaves.back());
  }
  std::vector<at::Tensor> result(inputs.size());
  if (variables.empty()) return result;
  const at::Tensor y = function(leaves);
  const std::vector<at::Tensor> gradients =
      torch::autograd::grad({y}, variables, {g.detach()});
  size_t next = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (wanted[i]) result[i] = gradients[next++];
  }
  return result;
}

}  // namespace seg
