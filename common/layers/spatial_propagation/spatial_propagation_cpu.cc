#include "common/layers/spatial_propagation/spatial_propagation_cpu.h"

#include <algorithm>

#include "common/layers/spatial_propagation/spatial_propagation_scan.h"

namespace seg {
namespace {

using spatial_propagation::ColumnStride;
using spatial_propagation::Horizontal;
using spatial_propagation::Line;
using spatial_propagation::MakeLine;
using spatial_propagation::Panel;
using spatial_propagation::RoundUp;
using spatial_propagation::RunBackward;
using spatial_propagation::RunForward;
using spatial_propagation::Scan;
using spatial_propagation::Steps;
using spatial_propagation::Tensor;
using spatial_propagation::Transpose;
using spatial_propagation::TransposedPlane;

// Image and channels of a task.
struct Task {
  Task(const SpatialPropagationPlan& plan, int64_t index)
      : image(index / plan.blocks()),
        first(index % plan.blocks() * plan.channel_block),
        channels(std::min(plan.channel_block, plan.channels - first)) {}
  int64_t image, first, channels;
};

template <typename T>
T* Origin(const SpatialPropagationView<T>& view, const Task& task) {
  return view.data + task.image * view.image + task.first * view.channel;
}

// Strides for the scans along rows (horizontal) or columns in place.
template <typename T>
Tensor<T> Along(const SpatialPropagationView<T>& view, const Task& task,
                bool horizontal) {
  return horizontal ? Tensor<T>{Origin(view, task), view.column, view.row}
                    : Tensor<T>{Origin(view, task), view.row, view.column};
}

// A transposed plane in scratch as columns.
template <typename T>
Tensor<T> Columns(T* data, const SpatialPropagationPlan& plan) {
  return {data, ColumnStride(plan.height), 0};
}

// What a scan has whatever its pass.
template <typename T>
Scan<T> MakeScan(const SpatialPropagationPlan& plan, const Task& task,
                 int direction, const SpatialPropagationView<const T>& x,
                 const SpatialPropagationView<const T>& gates) {
  const bool horizontal = Horizontal(direction);
  Scan<T> scan{};
  scan.line = MakeLine(plan, horizontal, task.channels);
  if (plan.connections == 1) scan.line.shift = 0;
  scan.steps = Steps(plan, horizontal);
  scan.segment = plan.segment;
  scan.direction = direction;
  scan.reverse = direction == kRightToLeft || direction == kBottomToTop;
  scan.replace = direction == plan.first_direction;
  scan.sum_all = plan.sum_all_gates;
  scan.x = Along(x, task, horizontal);
  scan.gates = Along(gates, task, horizontal);
  const int64_t gate =
      (direction - plan.first_direction) * plan.connections * plan.channels;
  scan.gates.data += gate * gates.channel;
  scan.gate_block = plan.channels * gates.channel;
  scan.transpose = horizontal && !plan.channels_last;
  return scan;
}

// The checkpoints of a direction and task among those of all.
template <typename T>
T* Checkpoints(T* all, const SpatialPropagationPlan& plan, const Task& task,
               int direction) {
  const int64_t before = plan.checkpoint_elements(direction);
  const int64_t own = plan.checkpoint_elements(direction + 1) - before;
  return all + plan.images * plan.channels * before +
         (task.image * plan.channels + task.first) * own;
}

template <typename T>
bool WholeCacheLines(int64_t elements) {
  return elements * sizeof(T) % 64 == 0;
}

template <typename T>
bool AlignedStates(const Scan<T>& scan) {
  return reinterpret_cast<uintptr_t>(scan.checkpoints_out) % 64 == 0 &&
         WholeCacheLines<T>(scan.line.length);
}

// Whether all lines of the gradient of the gates are whole cache lines.
template <typename T>
bool AlignedGradient(const Scan<T>& scan) {
  const auto whole = WholeCacheLines<T>;
  if (reinterpret_cast<uintptr_t>(scan.gates_gradient.data) % 64 != 0 ||
      !whole(scan.gates_gradient_block)) {
    return false;
  }
  // Written by columns of `segment` steps; their start is looked at later.
  if (scan.transpose) {
    return whole(scan.gates_gradient.run) && whole(scan.segment);
  }
  return whole(scan.line.length) && whole(scan.gates_gradient.step) &&
         (scan.line.runs == 1 || whole(scan.gates_gradient.run));
}

template <typename T>
void ForwardTask(const SpatialPropagationPlan& plan,
                 const SpatialPropagationForwardTensors<T>& t, int64_t index,
                 T* scratch) {
  const Task task(plan, index);
  const int64_t plane = TransposedPlane(plan);
  T* x_columns = scratch;
  T* out_columns = x_columns + plane;
  uint8_t* winner_columns = reinterpret_cast<uint8_t*>(out_columns + plane);
  T* panel = out_columns + 2 * plane;
  T* lines = panel + Panel(plan);
  uint8_t* winner = t.winner == nullptr
                        ? nullptr
                        : t.winner + (Origin(t.out, task) - t.out.data);
  const int64_t column = ColumnStride(plan.height);
  for (int direction = plan.first_direction;
       direction < plan.first_direction + plan.directions; ++direction) {
    Scan<T> scan = MakeScan(plan, task, direction, t.x, t.gates);
    scan.panel = panel;
    scan.lines = lines;
    scan.out = Along(t.out, task, Horizontal(direction));
    scan.winner_out = winner;
    if (t.checkpoints != nullptr) {
      scan.checkpoints_out = Checkpoints(t.checkpoints, plan, task, direction);
    }
    scan.stream = plan.stream && AlignedStates(scan);
    if (scan.transpose) {
      if (scan.replace || direction == kLeftToRight) {
        Transpose(Origin(t.x, task), t.x.row, plan.height, plan.width,
                  x_columns, column);
      }
      const Tensor<const T> x = Columns<const T>(x_columns, plan);
      scan.x = x;
      scan.out = Columns(out_columns, plan);
      if (winner != nullptr) scan.winner_out = winner_columns;
    }
    RunForward(scan, plan);
    if (scan.transpose && (direction == kRightToLeft || plan.directions == 1)) {
      Transpose(out_columns, column, plan.width, plan.height,
                Origin(t.out, task), t.out.row);
      if (winner != nullptr) {
        Transpose(winner_columns, column, plan.width, plan.height, winner,
                  t.out.row);
      }
    }
  }
}

template <typename T>
void BackwardTask(const SpatialPropagationPlan& plan,
                  const SpatialPropagationBackwardTensors<T>& t, int64_t index,
                  T* scratch) {
  const Task task(plan, index);
  const int64_t plane = TransposedPlane(plan);
  T* x_columns = scratch;
  T* gradient_columns = x_columns + plane;
  T* x_gradient_columns = gradient_columns + plane;
  uint8_t* winner_columns =
      reinterpret_cast<uint8_t*>(x_gradient_columns + plane);
  T* panel = x_gradient_columns + 2 * plane;
  T* gradient_panel = panel + Panel(plan);
  T* lines = gradient_panel + Panel(plan);
  const int64_t column = ColumnStride(plan.height);
  for (int direction = plan.first_direction;
       direction < plan.first_direction + plan.directions; ++direction) {
    const bool horizontal = Horizontal(direction);
    Scan<T> scan = MakeScan(plan, task, direction, t.x, t.gates);
    scan.panel = panel;
    scan.gradient_panel = gradient_panel;
    scan.lines = lines;
    scan.checkpoints = Checkpoints(t.checkpoints, plan, task, direction);
    scan.gradient = Along(t.gradient, task, horizontal);
    scan.winner = Along(t.winner, task, horizontal);
    scan.x_gradient = Along(t.x_gradient, task, horizontal);
    scan.gates_gradient = Along(t.gates_gradient, task, horizontal);
    const int64_t gate =
        (direction - plan.first_direction) * plan.connections * plan.channels;
    scan.gates_gradient.data += gate * t.gates_gradient.channel;
    scan.gates_gradient_block = plan.channels * t.gates_gradient.channel;
    scan.stream = plan.stream && AlignedGradient(scan);
    if (scan.transpose) {
      if (scan.replace || direction == kLeftToRight) {
        Transpose(Origin(t.x, task), t.x.row, plan.height, plan.width,
                  x_columns, column);
        Transpose(Origin(t.gradient, task), t.gradient.row, plan.height,
                  plan.width, gradient_columns, column);
        Transpose(Origin(t.winner, task), t.winner.row, plan.height, plan.width,
                  winner_columns, column);
      }
      scan.x = Columns<const T>(x_columns, plan);
      scan.gradient = Columns<const T>(gradient_columns, plan);
      scan.winner = Columns<const uint8_t>(winner_columns, plan);
      scan.x_gradient = Columns(x_gradient_columns, plan);
    }
    RunBackward(scan, plan);
    if (scan.transpose && (direction == kRightToLeft || plan.directions == 1)) {
      Transpose(x_gradient_columns, column, plan.width, plan.height,
                Origin(t.x_gradient, task), t.x_gradient.row);
    }
  }
}

// The longest lines of a task.
int64_t LineStride(const SpatialPropagationPlan& plan, bool horizontal) {
  return MakeLine(plan, horizontal, std::min(plan.channel_block, plan.channels))
      .stride();
}

}  // namespace

int64_t SpatialPropagationPlan::checkpoint_elements(int end) const {
  int64_t elements = 0;
  for (int i = first_direction; i < end; ++i) {
    elements += spatial_propagation::CheckpointLines(*this, Horizontal(i)) *
                (Horizontal(i) ? height : width);
  }
  return elements;
}

int64_t SpatialPropagationPlan::checkpoint_pad() const {
  return segment > 1 ? 0 : RoundUp(std::min(channel_block, channels));
}

int64_t SpatialPropagationPlan::forward_scratch() const {
  return 3 * TransposedPlane(*this) + Panel(*this) +
         2 * std::max(LineStride(*this, true), LineStride(*this, false));
}

int64_t SpatialPropagationPlan::backward_scratch() const {
  return 4 * TransposedPlane(*this) + 2 * Panel(*this) +
         (spatial_propagation::StateLines(segment) +
          spatial_propagation::kProductLines) *
             std::max(LineStride(*this, true), LineStride(*this, false));
}

template <typename T>
void SpatialPropagationForward(const SpatialPropagationPlan& plan,
                               const SpatialPropagationForwardTensors<T>& t,
                               int64_t begin, int64_t end, T* scratch) {
  for (int64_t i = begin; i < end; ++i) ForwardTask(plan, t, i, scratch);
  if (plan.stream) spatial_propagation::FlushStream();
}

// A vertical scan of one step, whose state is its input.
template <typename T>
void SpatialPropagationMerge(const SpatialPropagationPlan& plan,
                             const SpatialPropagationView<T>& h,
                             const SpatialPropagationForwardTensors<T>& t,
                             int64_t row, T* scratch) {
  SpatialPropagationView<const T> x;
  x.data = h.data + row % plan.height * h.row;
  x.image = h.image;
  x.channel = h.channel;
  x.row = h.row;
  x.column = h.column;
  for (int64_t block = 0; block < plan.blocks(); ++block) {
    const Task task(plan, row / plan.height * plan.blocks() + block);
    Scan<T> scan = MakeScan(plan, task, plan.first_direction, x,
                            SpatialPropagationView<const T>());
    scan.steps = 1;
    scan.replace = false;
    scan.lines = scratch;
    scan.out = Along(t.out, task, false);
    scan.out.data += row % plan.height * t.out.row;
    if (t.winner != nullptr) {
      scan.winner_out = t.winner + (scan.out.data - t.out.data);
    }
    RunForward(scan, plan);
  }
}

template <typename T>
void SpatialPropagationBackward(const SpatialPropagationPlan& plan,
                                const SpatialPropagationBackwardTensors<T>& t,
                                int64_t begin, int64_t end, T* scratch) {
  for (int64_t i = begin; i < end; ++i) BackwardTask(plan, t, i, scratch);
  if (plan.stream) spatial_propagation::FlushStream();
}

template void SpatialPropagationForward(
    const SpatialPropagationPlan&,
    const SpatialPropagationForwardTensors<float>&, int64_t, int64_t, float*);
template void SpatialPropagationForward(
    const SpatialPropagationPlan&,
    const SpatialPropagationForwardTensors<double>&, int64_t, int64_t, double*);
template void SpatialPropagationMerge(
    const SpatialPropagationPlan&, const SpatialPropagationView<float>&,
    const SpatialPropagationForwardTensors<float>&, int64_t, float*);
template void SpatialPropagationMerge(
    const SpatialPropagationPlan&, const SpatialPropagationView<double>&,
    const SpatialPropagationForwardTensors<double>&, int64_t, double*);
template void SpatialPropagationBackward(
    const SpatialPropagationPlan&,
    const SpatialPropagationBackwardTensors<float>&, int64_t, int64_t, float*);
template void SpatialPropagationBackward(
    const SpatialPropagationPlan&,
    const SpatialPropagationBackwardTensors<double>&, int64_t, int64_t,
    double*);

}  // namespace seg
