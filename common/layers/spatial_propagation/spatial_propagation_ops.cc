#include "common/layers/spatial_propagation/spatial_propagation_ops.h"

#include <ATen/ATen.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/library.h>

#include <algorithm>
#include <tuple>

#include "common/layers/dispatch/dispatch.h"
#include "common/layers/spatial_propagation/spatial_propagation_cpu.h"
#include "common/layers/spatial_propagation/spatial_propagation_threads.h"

namespace seg {
namespace {

// Channels last with fewer channels than this is slower than planes.
constexpr int64_t kMinChannelsLast = 4;
// Channels of a task in channels last: few parts of a pixel, as each part
// visits all pages of the gates anew; not less than a cache line.
constexpr int64_t kMaxBlockBytes = 1024, kMinBlockBytes = 64;
// Planes: steps between checkpoints, those of a transposed panel of gates.
constexpr int64_t kPlaneSegment = 16;
// A pass over gates from this size on writes past the caches what only a later
// pass reads.
constexpr int64_t kStreamBytes = 8 << 20;

constexpr char kOp[] = "SpatialPropagation";

bool ChannelsLast(const at::Tensor& x) { return x.stride(1) == 1; }
bool Planes(const at::Tensor& x) { return x.stride(3) == 1 || x.size(3) == 1; }

at::Tensor EmptyInLayout(at::IntArrayRef sizes,
                         const at::TensorOptions& options, bool channels_last) {
  return at::empty(sizes, options,
                   channels_last ? at::MemoryFormat::ChannelsLast
                                 : at::MemoryFormat::Contiguous);
}

template <typename T, typename Plain = std::remove_const_t<T>>
SpatialPropagationView<T> View(const at::Tensor& x) {
  SpatialPropagationView<T> view;
  if constexpr (std::is_const_v<T>) {
    view.data = x.const_data_ptr<Plain>();
  } else {
    view.data = x.mutable_data_ptr<Plain>();
  }
  view.image = x.stride(0);
  view.channel = x.stride(1);
  view.row = x.stride(2);
  view.column = x.stride(3);
  return view;
}

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Channels of a task: equal blocks, such that each thread has a task where
// there are enough channels. Channels do not touch each other, so no result
// depends on it.
int64_t ChannelBlock(const SpatialPropagationPlan& plan,
                     int64_t element_bytes) {
  const int64_t unit = kMinBlockBytes / element_bytes;
  const int64_t units = CeilDiv(plan.channels, unit);
  const int64_t shares =
      plan.images * (SpatialPropagationSharesDirections(plan) ? 2 : 1);
  const int64_t parts =
      std::clamp(CeilDiv(SpatialPropagationThreads(plan), shares),
                 CeilDiv(units * kMinBlockBytes, kMaxBlockBytes), units);
  return CeilDiv(units, parts) * unit;
}

// gates decides the layout. channel_block: of the forward pass, 0 in that pass.
SpatialPropagationPlan MakePlan(const at::Tensor& x, const at::Tensor& gates,
                                const SpatialPropagationRule& rule,
                                int64_t channel_block) {
  SpatialPropagationPlan plan;
  plan.images = x.size(0);
  plan.channels = x.size(1);
  plan.height = x.size(2);
  plan.width = x.size(3);
  plan.connections = static_cast<int>(rule.connections);
  plan.normalization = static_cast<GateNormalization>(rule.normalization);
  plan.sum_all_gates = rule.sum_all_gates;
  plan.first_direction = static_cast<int>(rule.first_direction);
  plan.directions = static_cast<int>(rule.directions);
  plan.channels_last =
      SpatialPropagationTakesChannelsLast(gates, plan.channels);
  plan.segment = kPlaneSegment;
  if (plan.channels_last) {
    plan.channel_block = channel_block > 0
                             ? channel_block
                             : ChannelBlock(plan, x.element_size());
    plan.segment = 1;
  }
  plan.stream = static_cast<int64_t>(gates.nbytes()) >= kStreamBytes;
  return plan;
}

SpatialPropagationRule Rule(int64_t connections, int64_t normalization,
                            bool sum_all_gates, int64_t first_direction,
                            int64_t directions) {
  return {connections, normalization, sum_all_gates, first_direction,
          directions};
}

void CheckLayout(const at::Tensor& x, const at::Tensor& gates) {
  const bool channels_last =
      SpatialPropagationTakesChannelsLast(gates, x.size(1));
  TORCH_CHECK(
      channels_last ? ChannelsLast(x) : Planes(x) && Planes(gates), kOp,
      ": x and gates must both be channels last or planes, got strides ",
      x.strides(), " and ", gates.strides());
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, int64_t> ForwardCpu(
    const at::Tensor& x, const at::Tensor& gates, int64_t connections,
    int64_t normalization, bool sum_all_gates, int64_t first_direction,
    int64_t directions, bool training) {
  const SpatialPropagationRule rule = Rule(
      connections, normalization, sum_all_gates, first_direction, directions);
  CheckSpatialPropagationRaw(x, gates, rule);
  CheckLayout(x, gates);
  const SpatialPropagationPlan plan =
      MakePlan(x, gates, rule, /*channel_block=*/0);
  const at::Tensor out =
      EmptyInLayout(x.sizes(), x.options(), plan.channels_last);
  at::Tensor winner, checkpoints;
  if (training) {
    winner = EmptyInLayout(x.sizes(), x.options().dtype(at::kByte),
                           plan.channels_last);
    checkpoints =
        at::empty({plan.images * plan.channels * plan.checkpoint_elements() +
                   2 * plan.checkpoint_pad()},
                  x.options());
  }
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), kOp, [&] {
    SpatialPropagationForwardTensors<scalar_t> t;
    t.x = View<const scalar_t>(x);
    t.gates = View<const scalar_t>(gates);
    t.out = View<scalar_t>(out);
    if (training) {
      t.winner = winner.mutable_data_ptr<uint8_t>();
      t.checkpoints =
          checkpoints.mutable_data_ptr<scalar_t>() + plan.checkpoint_pad();
    }
    SpatialPropagationForwardOnThreads(plan, t, x.options());
  });
  return {out, winner, checkpoints, plan.channel_block};
}

std::tuple<at::Tensor, at::Tensor> BackwardCpu(
    const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& gates,
    const at::Tensor& winner, const at::Tensor& states, int64_t layout,
    int64_t connections, int64_t normalization, bool sum_all_gates,
    int64_t first_direction, int64_t directions, bool want_gates) {
  const SpatialPropagationRule rule = Rule(
      connections, normalization, sum_all_gates, first_direction, directions);
  CheckSpatialPropagationRaw(x, gates, rule);
  CheckLayout(x, gates);
  TORCH_CHECK(layout > 0, kOp, ": no layout of a forward pass, got ", layout);
  const SpatialPropagationPlan plan = MakePlan(x, gates, rule, layout);
  CheckSpatialPropagationSaved(gradient, x.sizes(), x.scalar_type(), x);
  CheckSpatialPropagationSaved(winner, x.sizes(), at::kByte, x);
  TORCH_CHECK(plan.channels_last ? ChannelsLast(winner) : Planes(winner), kOp,
              ": the winners are not of this forward pass");
  CheckSpatialPropagationSaved(
      states,
      {plan.images * plan.channels * plan.checkpoint_elements() +
       2 * plan.checkpoint_pad()},
      x.scalar_type(), x);
  // What the scans of a direction add to; the gates' is only written.
  const at::Tensor x_gradient =
      EmptyInLayout(x.sizes(), x.options(), plan.channels_last);
  at::Tensor gates_gradient;
  if (want_gates) {
    gates_gradient =
        EmptyInLayout(gates.sizes(), x.options(), plan.channels_last);
  }
  const at::Tensor gradient_in =
      SpatialPropagationInLayout(gradient, plan.channels_last);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), kOp, [&] {
    SpatialPropagationBackwardTensors<scalar_t> t;
    t.x = View<const scalar_t>(x);
    t.gates = View<const scalar_t>(gates);
    t.gradient = View<const scalar_t>(gradient_in);
    t.winner = View<const uint8_t>(winner);
    t.checkpoints = states.const_data_ptr<scalar_t>() + plan.checkpoint_pad();
    t.x_gradient = View<scalar_t>(x_gradient);
    if (gates_gradient.defined()) {
      t.gates_gradient = View<scalar_t>(gates_gradient);
    }
    SpatialPropagationBackwardOnThreads(plan, t, x_gradient);
  });
  return {x_gradient, gates_gradient};
}

const auto& ForwardOperator() {
  static const auto op =
      FindOperator<decltype(ForwardCpu)>("spatial_propagation_forward");
  return op;
}

}  // namespace

bool SpatialPropagationTakesChannelsLast(const at::Tensor& gates,
                                         int64_t channels) {
  return gates.is_cpu() && ChannelsLast(gates) && channels >= kMinChannelsLast;
}

at::Tensor SpatialPropagationInLayout(const at::Tensor& x, bool channels_last) {
  if (x.is_cuda()) return x.contiguous();
  if (channels_last) {
    return ChannelsLast(x) ? x : x.contiguous(at::MemoryFormat::ChannelsLast);
  }
  return Planes(x) ? x : x.contiguous();
}

SpatialPropagationForwardResult SpatialPropagationForwardOp(
    const at::Tensor& x, const at::Tensor& gates,
    const SpatialPropagationRule& rule, bool training) {
  const at::AutoDispatchBelowADInplaceOrView guard;
  SpatialPropagationForwardResult result;
  std::tie(result.out, result.winner, result.states, result.layout) =
      ForwardOperator().call(x, gates, rule.connections, rule.normalization,
                             rule.sum_all_gates, rule.first_direction,
                             rule.directions, training);
  return result;
}

SpatialPropagationGradients SpatialPropagationBackwardOp(
    const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& gates,
    const SpatialPropagationForwardResult& forward,
    const SpatialPropagationRule& rule, bool want_gates) {
  static const auto op =
      FindOperator<decltype(BackwardCpu)>("spatial_propagation_backward");
  const at::AutoDispatchBelowADInplaceOrView guard;
  SpatialPropagationGradients result;
  std::tie(result.x, result.gates) = op.call(
      gradient, x, gates, forward.winner, forward.states, forward.layout,
      rule.connections, rule.normalization, rule.sum_all_gates,
      rule.first_direction, rule.directions, want_gates);
  return result;
}

const c10::OperatorHandle& SpatialPropagationForwardOperator() {
  return ForwardOperator();
}

void CheckSpatialPropagationRaw(const at::Tensor& x, const at::Tensor& gates,
                                const SpatialPropagationRule& rule) {
  TORCH_CHECK((rule.connections == 1 || rule.connections == 3) &&
                  rule.normalization >= 0 &&
                  rule.normalization <=
                      static_cast<int64_t>(GateNormalization::kDividePlus) &&
                  (rule.directions == 4
                       ? rule.first_direction == 0
                       : rule.directions == 1 && rule.first_direction >= 0 &&
                             rule.first_direction < 4),
              kOp, ": no such rule: ", rule.connections, " gates, rule ",
              rule.normalization, ", ", rule.directions, " directions from ",
              rule.first_direction);
  TORCH_CHECK(rule.connections == 3 ||
                  (rule.normalization !=
                       static_cast<int64_t>(GateNormalization::kDivide) &&
                   rule.normalization !=
                       static_cast<int64_t>(GateNormalization::kDividePlus)),
              kOp, ": one gate is not divided");
  TORCH_CHECK(
      x.dim() == 4 && x.numel() > 0 &&
          (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble),
      kOp, ": x must be [N, C, H, W], float32 or float64, not empty, ", "got ",
      x.scalar_type(), " ", x.sizes());
  const bool narrow = x.is_cuda() && x.scalar_type() == at::kFloat &&
                      gates.scalar_type() == at::kBFloat16;
  const int64_t channels = rule.directions * rule.connections * x.size(1);
  TORCH_CHECK((narrow || gates.scalar_type() == x.scalar_type()) &&
                  gates.device() == x.device() && gates.dim() == 4 &&
                  gates.size(0) == x.size(0) && gates.size(1) == channels &&
                  gates.size(2) == x.size(2) && gates.size(3) == x.size(3),
              kOp, ": gates do not fit x of ", x.scalar_type(), " ", x.sizes(),
              " and this rule, got ", gates.scalar_type(), " ", gates.sizes());
}

void CheckSpatialPropagationSaved(const at::Tensor& tensor,
                                  at::IntArrayRef sizes, at::ScalarType type,
                                  const at::Tensor& x) {
  TORCH_CHECK(tensor.defined() && tensor.sizes() == sizes &&
                  tensor.scalar_type() == type && tensor.device() == x.device(),
              kOp, ": expected what the forward pass gave, ", type, " ", sizes);
}

TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  m.def(
      "spatial_propagation_forward(Tensor x, Tensor gates, int connections, "
      "int normalization, bool sum_all_gates, int first_direction, int "
      "directions, bool training) -> (Tensor out, Tensor winner, Tensor "
      "states, int layout)");
  m.def(
      "spatial_propagation_backward(Tensor gradient, Tensor x, Tensor gates, "
      "Tensor winner, Tensor states, int layout, int connections, int "
      "normalization, bool sum_all_gates, int first_direction, int directions, "
      "bool want_gates) -> (Tensor x_gradient, Tensor gates_gradient)");
}

TORCH_LIBRARY_IMPL(segpapers, CPU, m) {
  m.impl("spatial_propagation_forward", TORCH_FN(ForwardCpu));
  m.impl("spatial_propagation_backward", TORCH_FN(BackwardCpu));
}

}  // namespace seg
