#include "common/training/optimizer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace seg {
namespace {

std::vector<at::Tensor> Gradients(const std::vector<ParameterGroup>& groups) {
  std::vector<at::Tensor> gradients;
  for (const ParameterGroup& group : groups) {
    for (const at::Tensor& parameter : group.parameters) {
      if (parameter.grad().defined()) gradients.push_back(parameter.grad());
    }
  }
  return gradients;
}

}  // namespace

Optimizer::Optimizer(const OptimizerConfig& config,
                     std::vector<ParameterGroup> groups)
    : config_(config), groups_(std::move(groups)) {
  const bool adam = config_.type == OptimizerType::kAdam;
  for (const ParameterGroup& group : groups_) {
    std::vector<Slot> slots;
    for (const at::Tensor& parameter : group.parameters) {
      TORCH_CHECK(
          parameter.is_leaf() && at::isFloatingType(parameter.scalar_type()),
          "Optimizer: group ", group.name,
          " holds a tensor that is no floating-point leaf");
      // The fused kernels walk the storage, so moments need equal strides.
      TORCH_CHECK(parameter.is_non_overlapping_and_dense(), "Optimizer: group ",
                  group.name, " holds a parameter with gaps, strides ",
                  parameter.strides());
      Slot slot;
      slot.first = at::zeros_like(parameter.detach());
      if (adam) {
        slot.second = at::zeros_like(parameter.detach());
        slot.steps = at::zeros({}, parameter.options().dtype(at::kFloat));
      }
      slots.push_back(std::move(slot));
    }
    slots_.push_back(std::move(slots));
  }
}

void Optimizer::ZeroGradients() {
  for (ParameterGroup& group : groups_) {
    for (at::Tensor& parameter : group.parameters) {
      parameter.mutable_grad() = at::Tensor();
    }
  }
}

at::Tensor Optimizer::GradientNorm() const {
  const c10::AutoGradMode no_grad(false);
  const std::vector<at::Tensor> gradients = Gradients(groups_);
  if (gradients.empty()) return at::zeros({}, at::kFloat);
  std::vector<at::Tensor> norms = at::_foreach_norm(gradients);
  for (at::Tensor& norm : norms) norm = norm.to(at::kFloat);
  return at::linalg_vector_norm(at::stack(norms));
}

void Optimizer::ClipGradients(double max_norm, const at::Tensor& norm) {
  const c10::AutoGradMode no_grad(false);
  std::vector<at::Tensor> gradients = Gradients(groups_);
  if (gradients.empty()) return;
  const at::Tensor factor = (max_norm / norm.clamp_min(1e-12)).clamp_max(1.0);
  at::_foreach_mul_(gradients, factor.to(gradients[0].scalar_type()));
}

void Optimizer::Step(double lr, const at::Tensor& skip) {
  const c10::AutoGradMode no_grad(false);
  for (size_t g = 0; g < groups_.size(); ++g) {
    const ParameterGroup& group = groups_[g];
    if (group.lr_scale == 0.0) continue;
    std::vector<at::Tensor> parameters, gradients, first, second, steps;
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      const at::Tensor& parameter = group.parameters[i];
      if (!parameter.grad().defined()) continue;
      parameters.push_back(parameter);
      gradients.push_back(parameter.grad());
      first.push_back(slots_[g][i].first);
      second.push_back(slots_[g][i].second);
      steps.push_back(slots_[g][i].steps);
    }
    if (parameters.empty()) continue;
    const double rate = lr * group.lr_scale;
    const double decay =
        group.weight_decay < 0 ? config_.weight_decay : group.weight_decay;
    if (config_.type == OptimizerType::kSgd) {
      // Zero momentum buffers make the first step an ordinary one; the kernel
      // takes none where there is no momentum.
      if (config_.momentum == 0) first.clear();
      at::_fused_sgd_(parameters, gradients, first, decay, config_.momentum,
                      rate, /*dampening=*/0.0, config_.nesterov,
                      /*maximize=*/false, /*is_first_step=*/false,
                      /*grad_scale=*/{}, skip);
    } else {
      at::_foreach_add_(steps, 1 - skip);
      at::_fused_adam_(parameters, gradients, first, second,
                       /*max_exp_avg_sqs=*/{}, steps, rate, config_.beta1,
                       config_.beta2, decay, config_.epsilon,
                       /*amsgrad=*/false, /*maximize=*/false,
                       /*grad_scale=*/{}, skip);
    }
  }
}

TensorMap Optimizer::State() const {
  TensorMap state;
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (size_t i = 0; i < slots_[g].size(); ++i) {
      const std::string name = absl::StrCat(groups_[g].name, ".", i, ".");
      const Slot& slot = slots_[g][i];
      state[name + "first"] = slot.first;
      if (slot.second.defined()) state[name + "second"] = slot.second;
      if (slot.steps.defined()) state[name + "steps"] = slot.steps;
    }
  }
  return state;
}

absl::Status Optimizer::LoadState(const TensorMap& state) {
  const c10::AutoGradMode no_grad(false);
  TensorMap own = State();
  for (auto& [name, tensor] : own) {
    const auto found = state.find(name);
    if (found == state.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("optimiser state: ", name, " is missing"));
    }
    if (found->second.sizes() != tensor.sizes()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "optimiser state: ", name, " has another shape than its parameter"));
    }
  }
  if (own.size() != state.size()) {
    return absl::InvalidArgumentError(absl::StrCat("optimiser state: expected ",
                                                   own.size(), " tensors, got ",
                                                   state.size()));
  }
  for (auto& [name, tensor] : own) tensor.copy_(state.at(name));
  return absl::OkStatus();
}

}  // namespace seg
