#include "common/layers/spatial_propagation/spatial_propagation.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "common/layers/once_differentiable/once_differentiable.h"
#include "common/layers/spatial_propagation/spatial_propagation_cpu.h"
#include "common/layers/spatial_propagation/spatial_propagation_threads.h"

namespace seg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

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

at::Tensor InLayout(const at::Tensor& x, bool channels_last) {
  if (channels_last) {
    return ChannelsLast(x) ? x : x.contiguous(at::MemoryFormat::ChannelsLast);
  }
  return Planes(x) ? x : x.contiguous();
}

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

// gates decides the layout. Neither is empty.
SpatialPropagationPlan MakePlan(const at::Tensor& x, const at::Tensor& gates,
                                const SpatialPropagationOptions& options,
                                int first_direction, int directions) {
  SpatialPropagationPlan plan;
  plan.images = x.size(0);
  plan.channels = x.size(1);
  plan.height = x.size(2);
  plan.width = x.size(3);
  plan.connections = options.three_way() ? 3 : 1;
  plan.normalization = options.normalization();
  plan.sum_all_gates = options.sum_all_gates();
  plan.first_direction = first_direction;
  plan.directions = directions;
  plan.channels_last = ChannelsLast(gates) && plan.channels >= kMinChannelsLast;
  plan.segment = kPlaneSegment;
  if (plan.channels_last) {
    plan.channel_block = ChannelBlock(plan, x.element_size());
    plan.segment = 1;
  }
  plan.stream = static_cast<int64_t>(gates.nbytes()) >= kStreamBytes;
  return plan;
}

// winner and checkpoints: null, or set to what the backward pass needs.
at::Tensor RunForward(const SpatialPropagationPlan& plan, const at::Tensor& x,
                      const at::Tensor& gates, at::Tensor* winner,
                      at::Tensor* checkpoints) {
  at::Tensor out = EmptyInLayout(x.sizes(), x.options(), plan.channels_last);
  if (winner != nullptr) {
    *winner = EmptyInLayout(x.sizes(), x.options().dtype(at::kByte),
                            plan.channels_last);
    *checkpoints =
        at::empty({plan.images * plan.channels * plan.checkpoint_elements() +
                   2 * plan.checkpoint_pad()},
                  x.options());
  }
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), kOp, [&] {
    SpatialPropagationForwardTensors<scalar_t> t;
    t.x = View<const scalar_t>(x);
    t.gates = View<const scalar_t>(gates);
    t.out = View<scalar_t>(out);
    if (winner != nullptr) {
      t.winner = winner->mutable_data_ptr<uint8_t>();
      t.checkpoints =
          checkpoints->mutable_data_ptr<scalar_t>() + plan.checkpoint_pad();
    }
    SpatialPropagationForwardOnThreads(plan, t, x.options());
  });
  return out;
}

// gates_gradient: undefined, or written.
void RunBackward(const SpatialPropagationPlan& plan, const at::Tensor& x,
                 const at::Tensor& gates, const at::Tensor& gradient,
                 const at::Tensor& winner, const at::Tensor& checkpoints,
                 const at::Tensor& x_gradient,
                 const at::Tensor& gates_gradient) {
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), kOp, [&] {
    SpatialPropagationBackwardTensors<scalar_t> t;
    t.x = View<const scalar_t>(x);
    t.gates = View<const scalar_t>(gates);
    t.gradient = View<const scalar_t>(gradient);
    t.winner = View<const uint8_t>(winner);
    t.checkpoints =
        checkpoints.const_data_ptr<scalar_t>() + plan.checkpoint_pad();
    t.x_gradient = View<scalar_t>(x_gradient);
    if (gates_gradient.defined()) {
      t.gates_gradient = View<scalar_t>(gates_gradient);
    }
    SpatialPropagationBackwardOnThreads(plan, t, x_gradient);
  });
}

class SpatialPropagationFunction
    : public torch::autograd::Function<SpatialPropagationFunction> {
 public:
  // x, gates: in the plan's layout.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& gates,
                            const SpatialPropagationPlan& plan) {
    at::Tensor winner, checkpoints;
    const at::Tensor out = RunForward(plan, x, gates, &winner, &checkpoints);
    context->save_for_backward({x, gates, winner, checkpoints});
    // The members that the backward pass cannot see from the tensors.
    context->saved_data["plan"] = std::vector<int64_t>{
        plan.connections,   static_cast<int64_t>(plan.normalization),
        plan.sum_all_gates, plan.first_direction,
        plan.directions,    plan.channels_last,
        plan.channel_block, plan.segment,
        plan.stream};
    return out;
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gates = saved[1];
    const std::vector<int64_t> values =
        context->saved_data["plan"].toIntVector();
    SpatialPropagationPlan plan;
    plan.images = x.size(0);
    plan.channels = x.size(1);
    plan.height = x.size(2);
    plan.width = x.size(3);
    plan.connections = static_cast<int>(values[0]);
    plan.normalization = static_cast<GateNormalization>(values[1]);
    plan.sum_all_gates = values[2] != 0;
    plan.first_direction = static_cast<int>(values[3]);
    plan.directions = static_cast<int>(values[4]);
    plan.channels_last = values[5] != 0;
    plan.channel_block = values[6];
    plan.segment = values[7];
    plan.stream = values[8] != 0;
    variable_list result(3);
    {
      const at::NoGradGuard no_grad;
      // What the scans of a direction add to; the gates' is only written.
      result[0] = EmptyInLayout(x.sizes(), x.options(), plan.channels_last);
      if (context->needs_input_grad(1)) {
        result[1] =
            EmptyInLayout(gates.sizes(), x.options(), plan.channels_last);
      }
      RunBackward(plan, x, gates, InLayout(gradients[0], plan.channels_last),
                  saved[2], saved[3], result[0], result[1]);
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

at::Tensor Propagate(const at::Tensor& x, const at::Tensor& gates,
                     const SpatialPropagationOptions& options,
                     int first_direction, int directions) {
  CheckOptions(options);
  TORCH_CHECK(x.dim() == 4, kOp, ": x must be [N, C, H, W], got sizes ",
              x.sizes());
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble,
              kOp, ": x must be float32 or float64, got ", x.scalar_type());
  TORCH_CHECK(gates.scalar_type() == x.scalar_type(), kOp,
              ": gates must have the type of x, ", x.scalar_type(), ", got ",
              gates.scalar_type());
  TORCH_CHECK(
      x.is_cpu() && gates.is_cpu(), kOp,
      ": x and gates must be on the CPU (no CUDA kernel is built), got ",
      x.device(), " and ", gates.device());
  const int64_t blocks = directions * (options.three_way() ? 3 : 1);
  const std::vector<int64_t> expected = {x.size(0), blocks * x.size(1),
                                         x.size(2), x.size(3)};
  TORCH_CHECK(gates.sizes() == at::IntArrayRef(expected), kOp,
              ": gates must be ", at::IntArrayRef(expected), " (", blocks,
              " gates for each of ", x.size(1), " channels), got ",
              gates.sizes());
  if (x.numel() == 0) return x + gates.sum().to(x.scalar_type());
  const SpatialPropagationPlan plan =
      MakePlan(x, gates, options, first_direction, directions);
  // Copies are made out here, where autograd sees them.
  const at::Tensor x_in = InLayout(x, plan.channels_last);
  const at::Tensor gates_in = InLayout(gates, plan.channels_last);
  if (c10::GradMode::is_enabled() &&
      (x.requires_grad() || gates.requires_grad())) {
    return SpatialPropagationFunction::apply(x_in, gates_in, plan);
  }
  return RunForward(plan, x_in, gates_in, nullptr, nullptr);
}

}  // namespace

at::Tensor SpatialPropagation(const at::Tensor& x, const at::Tensor& gates,
                              const SpatialPropagationOptions& options) {
  return Propagate(x, gates, options, kLeftToRight, 4);
}

at::Tensor SpatialPropagationScan(const at::Tensor& x, const at::Tensor& gates,
                                  ScanDirection direction,
                                  const SpatialPropagationOptions& options) {
  return Propagate(x, gates, options, static_cast<int>(direction), 1);
}

int64_t SpatialPropagationGateChannels(
    int64_t channels, const SpatialPropagationOptions& options) {
  CheckOptions(options);
  return (options.three_way() ? 12 : 4) * channels;
}

}  // namespace seg
