#include "common/layers/spatial_propagation/spatial_propagation.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "common/layers/dispatch/dispatch.h"
#include "common/layers/once_differentiable/once_differentiable.h"
#include "common/layers/spatial_propagation/spatial_propagation_ops.h"

namespace seg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr char kOp[] = "SpatialPropagation";

class SpatialPropagationFunction
    : public torch::autograd::Function<SpatialPropagationFunction> {
 public:
  // x, gates: as the operators take them.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& gates,
                            const SpatialPropagationRule& rule) {
    const SpatialPropagationForwardResult result =
        SpatialPropagationForwardOp(x, gates, rule, /*training=*/true);
    context->save_for_backward({x, gates, result.winner, result.states});
    context->saved_data["rule"] = std::vector<int64_t>{
        rule.connections,     rule.normalization, rule.sum_all_gates,
        rule.first_direction, rule.directions,    result.layout};
    return result.out;
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gates = saved[1];
    const std::vector<int64_t> values =
        context->saved_data["rule"].toIntVector();
    const SpatialPropagationRule rule = {values[0], values[1], values[2] != 0,
                                         values[3], values[4]};
    const SpatialPropagationForwardResult forward = {at::Tensor(), saved[2],
                                                     saved[3], values[5]};
    variable_list result(3);
    {
      const at::NoGradGuard no_grad;
      const SpatialPropagationGradients made = SpatialPropagationBackwardOp(
          gradients[0], x, gates, forward, rule, context->needs_input_grad(1));
      result[0] = made.x;
      result[1] = made.gates;
    }
    RefuseSecondDerivatives(kOp, {gradients[0], x, gates}, &result);
    return result;
  }
};

void CheckOptions(const SpatialPropagationOptions& options) {
  TORCH_CHECK(options.three_way() ||
                  (options.normalization() != GateNormalization::kDivide &&
                   options.normalization() != GateNormalization::kDividePlus),
              kOp,
              ": one-way gates need the normalization kClamp, kTanh or kNone "
              "(dividing makes a single gate +-1), got ",
              options.normalization() == GateNormalization::kDivide
                  ? "kDivide"
                  : "kDividePlus");
}

void CheckDevices(const at::Tensor& x, const at::Tensor& gates) {
  if (x.is_cpu() && gates.is_cpu()) return;
  const bool has_cuda =
      SpatialPropagationForwardOperator().hasKernelForDispatchKey(
          c10::DispatchKey::CUDA);
  TORCH_CHECK(has_cuda || !x.is_cuda() || !gates.is_cuda(), kOp,
              ": built without CUDA; use --config=cuda");
  TORCH_CHECK(has_cuda && x.is_cuda() && x.device() == gates.device(), kOp,
              ": x and gates must be on the CPU (",
              has_cuda ? "or both on one GPU" : "no CUDA kernel is built",
              "), got ", x.device(), " and ", gates.device());
}

at::Tensor Propagate(const at::Tensor& any_x, const at::Tensor& any_gates,
                     const SpatialPropagationOptions& options,
                     int64_t first_direction, int64_t directions) {
  const at::Tensor x = FloatUnderAutocast(any_x);
  // A GPU takes bfloat16 gates as they are.
  const at::Tensor gates =
      any_gates.is_cuda() && any_gates.scalar_type() == at::kBFloat16
          ? any_gates
          : FloatUnderAutocast(any_gates);
  CheckOptions(options);
  TORCH_CHECK(x.dim() == 4, kOp, ": x must be [N, C, H, W], got sizes ",
              x.sizes());
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble,
              kOp, ": x must be float32 or float64, got ", x.scalar_type());
  const bool narrow = gates.is_cuda() && x.scalar_type() == at::kFloat &&
                      gates.scalar_type() == at::kBFloat16;
  TORCH_CHECK(narrow || gates.scalar_type() == x.scalar_type(), kOp,
              ": gates must have the type of x, ", x.scalar_type(), ", got ",
              gates.scalar_type());
  CheckDevices(x, gates);
  const SpatialPropagationRule rule = {
      options.three_way() ? 3 : 1,
      static_cast<int64_t>(options.normalization()), options.sum_all_gates(),
      first_direction, directions};
  const int64_t blocks = directions * rule.connections;
  const std::vector<int64_t> expected = {x.size(0), blocks * x.size(1),
                                         x.size(2), x.size(3)};
  TORCH_CHECK(gates.sizes() == at::IntArrayRef(expected), kOp,
              ": gates must be ", at::IntArrayRef(expected), " (", blocks,
              " gates for each of ", x.size(1), " channels), got ",
              gates.sizes());
  if (x.numel() == 0) return x + gates.sum().to(x.scalar_type());
  // Copies are made out here, where autograd sees them.
  const bool channels_last =
      SpatialPropagationTakesChannelsLast(gates, x.size(1));
  const at::Tensor x_in = SpatialPropagationInLayout(x, channels_last);
  const at::Tensor gates_in = SpatialPropagationInLayout(gates, channels_last);
  if (c10::GradMode::is_enabled() &&
      (x.requires_grad() || gates.requires_grad())) {
    return SpatialPropagationFunction::apply(x_in, gates_in, rule);
  }
  return SpatialPropagationForwardOp(x_in, gates_in, rule, /*training=*/false)
      .out;
}

}  // namespace

at::Tensor SpatialPropagation(const at::Tensor& x, const at::Tensor& gates,
                              const SpatialPropagationOptions& options) {
  return Propagate(x, gates, options, /*first_direction=*/0,
                   /*directions=*/4);
}

at::Tensor SpatialPropagationScan(const at::Tensor& x, const at::Tensor& gates,
                                  ScanDirection direction,
                                  const SpatialPropagationOptions& options) {
  return Propagate(x, gates, options, static_cast<int64_t>(direction),
                   /*directions=*/1);
}

int64_t SpatialPropagationGateChannels(
    int64_t channels, const SpatialPropagationOptions& options) {
  CheckOptions(options);
  return (options.three_way() ? 12 : 4) * channels;
}

}  // namespace seg
