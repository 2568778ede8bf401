// CUDA kernels of the raw operators of spatial_propagation_ops.h: stream,
// device and outputs. Linked into what has the operator under --config=cuda.

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include <cstdint>
#include <tuple>

#include "common/layers/dispatch/launch.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda.h"
#include "common/layers/spatial_propagation/spatial_propagation_ops.h"

namespace seg {
namespace {

constexpr char kOp[] = "SpatialPropagation";

// Of checked arguments.
SpatialPropagationShape Shape(const at::Tensor& x, const at::Tensor& gates,
                              int64_t connections, int64_t normalization,
                              bool sum_all_gates, int64_t first_direction,
                              int64_t directions) {
  CheckSpatialPropagationRaw(
      x, gates,
      {connections, normalization, sum_all_gates, first_direction, directions});
  TORCH_CHECK(x.size(2) * x.size(3) <= INT32_MAX,
              "SpatialPropagation: a plane must have less than 2^31 pixels on "
              "CUDA, got ",
              x.sizes());
  SpatialPropagationShape shape;
  shape.images = x.size(0);
  shape.channels = x.size(1);
  shape.height = x.size(2);
  shape.width = x.size(3);
  shape.connections = static_cast<int>(connections);
  shape.normalization = static_cast<GateNormalization>(normalization);
  shape.sum_all_gates = sum_all_gates;
  shape.first_direction = static_cast<int>(first_direction);
  shape.directions = static_cast<int>(directions);
  shape.bfloat16_gates = gates.scalar_type() == at::kBFloat16;
  return shape;
}

at::Tensor Scratch(const SpatialPropagationShape& shape,
                   const SpatialPropagationTuning& tuning,
                   const at::Tensor& x) {
  const size_t bytes =
      SpatialPropagationScratchBytes(shape, tuning, x.element_size());
  return bytes == 0 ? at::Tensor()
                    : at::empty({static_cast<int64_t>(bytes)},
                                x.options().dtype(at::kByte));
}
void* Data(const at::Tensor& x) {
  return x.defined() ? x.mutable_data_ptr() : nullptr;
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, int64_t> ForwardCuda(
    const at::Tensor& x_any, const at::Tensor& gates_any, int64_t connections,
    int64_t normalization, bool sum_all_gates, int64_t first_direction,
    int64_t directions, bool training) {
  const c10::DeviceGuard guard(x_any.device());
  const at::Tensor x = x_any.contiguous(), gates = gates_any.contiguous();
  const SpatialPropagationShape shape =
      Shape(x, gates, connections, normalization, sum_all_gates,
            first_direction, directions);
  const at::Tensor out = at::empty(x.sizes(), x.options());
  at::Tensor winner, states;
  if (training) {
    winner = at::empty(x.sizes(), x.options().dtype(at::kByte));
    states =
        at::empty({SpatialPropagationCheckpointElements(shape)}, x.options());
  }
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "SpatialPropagation", [&] {
    SpatialPropagationForwardArguments<scalar_t> a;
    a.shape = shape;
    a.tuning = ChooseSpatialPropagationTuning(shape, sizeof(scalar_t), training,
                                              /*backward=*/false);
    a.x = x.const_data_ptr<scalar_t>();
    a.gates = gates.const_data_ptr();
    a.out = out.mutable_data_ptr<scalar_t>();
    if (training) {
      a.winner = winner.mutable_data_ptr<uint8_t>();
      a.checkpoints = states.mutable_data_ptr<scalar_t>();
    }
    const at::Tensor scratch = Scratch(shape, a.tuning, x);
    a.scratch = Data(scratch);
    CheckLaunch(kOp, LaunchSpatialPropagationForward(a, CurrentStream(x)));
  });
  return {out, winner, states, /*layout=*/0};
}

std::tuple<at::Tensor, at::Tensor> BackwardCuda(
    const at::Tensor& gradient_any, const at::Tensor& x_any,
    const at::Tensor& gates_any, const at::Tensor& winner_any,
    const at::Tensor& states_any, int64_t layout, int64_t connections,
    int64_t normalization, bool sum_all_gates, int64_t first_direction,
    int64_t directions, bool want_gates) {
  const c10::DeviceGuard guard(x_any.device());
  const at::Tensor x = x_any.contiguous(), gates = gates_any.contiguous();
  const SpatialPropagationShape shape =
      Shape(x, gates, connections, normalization, sum_all_gates,
            first_direction, directions);
  CheckSpatialPropagationSaved(gradient_any, x.sizes(), x.scalar_type(), x);
  CheckSpatialPropagationSaved(winner_any, x.sizes(), at::kByte, x);
  CheckSpatialPropagationSaved(states_any,
                               {SpatialPropagationCheckpointElements(shape)},
                               x.scalar_type(), x);
  const at::Tensor gradient = gradient_any.contiguous();
  const at::Tensor winner = winner_any.contiguous();
  const at::Tensor states = states_any.contiguous();
  const at::Tensor x_gradient = at::empty(x.sizes(), x.options());
  at::Tensor gates_gradient;
  if (want_gates) gates_gradient = at::empty(gates.sizes(), gates.options());
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "SpatialPropagation", [&] {
    SpatialPropagationBackwardArguments<scalar_t> a;
    a.shape = shape;
    a.tuning = ChooseSpatialPropagationTuning(
        shape, sizeof(scalar_t), /*training=*/true, /*backward=*/true);
    a.x = x.const_data_ptr<scalar_t>();
    a.gates = gates.const_data_ptr();
    a.gradient = gradient.const_data_ptr<scalar_t>();
    a.winner = winner.const_data_ptr<uint8_t>();
    a.checkpoints = states.const_data_ptr<scalar_t>();
    a.x_gradient = x_gradient.mutable_data_ptr<scalar_t>();
    a.gates_gradient = Data(gates_gradient);
    const at::Tensor scratch = Scratch(shape, a.tuning, x);
    a.scratch = Data(scratch);
    CheckLaunch(kOp, LaunchSpatialPropagationBackward(a, CurrentStream(x)));
  });
  return {x_gradient, gates_gradient};
}

}  // namespace

TORCH_LIBRARY_IMPL(segpapers, CUDA, m) {
  m.impl("spatial_propagation_forward", TORCH_FN(ForwardCuda));
  m.impl("spatial_propagation_backward", TORCH_FN(BackwardCuda));
}

}  // namespace seg
