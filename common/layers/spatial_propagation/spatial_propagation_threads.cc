#include "common/layers/spatial_propagation/spatial_propagation_threads.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

namespace seg {
namespace {

// Elements below which threads do not pay.
constexpr int64_t kSerialElements = 1 << 14;

// Calls run(index, scratch) for all indices below `count`, each thread with its
// own `stride` elements of scratch.
template <typename T, typename Run>
void ForEach(int64_t count, int64_t threads, T* scratch, int64_t stride,
             const Run& run) {
  const int64_t parts = std::min(threads, count);
  at::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      for (int64_t i = part * count / parts; i < (part + 1) * count / parts;
           ++i) {
        run(i, scratch + part * stride);
      }
    }
  });
}

// Scratch of `threads` threads and `map_elements` behind it, in one block.
template <typename T>
struct Scratch {
  Scratch(int64_t threads, int64_t stride, int64_t map_elements,
          const at::TensorOptions& options)
      : block(at::empty({threads * stride + map_elements}, options)),
        data(block.mutable_data_ptr<T>()),
        map(data + threads * stride) {}
  at::Tensor block;
  T* data;
  T* map;
};

SpatialPropagationPlan Directions(SpatialPropagationPlan plan, int first,
                                  int count) {
  plan.first_direction = first;
  plan.directions = count;
  return plan;
}

// The gates, and what else there is of each direction, from `direction` on.
template <typename T>
SpatialPropagationForwardTensors<T> From(
    const SpatialPropagationPlan& plan, int direction,
    SpatialPropagationForwardTensors<T> t) {
  t.gates.data +=
      direction * plan.connections * plan.channels * t.gates.channel;
  if (t.checkpoints != nullptr) {
    t.checkpoints +=
        plan.images * plan.channels * plan.checkpoint_elements(direction);
  }
  return t;
}
template <typename T>
SpatialPropagationBackwardTensors<T> From(
    const SpatialPropagationPlan& plan, int direction,
    SpatialPropagationBackwardTensors<T> t) {
  const int64_t blocks = direction * plan.connections * plan.channels;
  t.gates.data += blocks * t.gates.channel;
  t.gates_gradient.data += blocks * t.gates_gradient.channel;
  t.checkpoints +=
      plan.images * plan.channels * plan.checkpoint_elements(direction);
  return t;
}

}  // namespace

int SpatialPropagationThreads(const SpatialPropagationPlan& plan) {
  return plan.elements() < kSerialElements || at::in_parallel_region()
             ? 1
             : at::get_num_threads();
}

bool SpatialPropagationSharesDirections(const SpatialPropagationPlan& plan) {
  return plan.channels_last && plan.directions == 4 &&
         plan.images < SpatialPropagationThreads(plan);
}

template <typename T>
void SpatialPropagationForwardOnThreads(
    const SpatialPropagationPlan& plan,
    const SpatialPropagationForwardTensors<T>& t,
    const at::TensorOptions& options) {
  const int64_t tasks = plan.tasks(), stride = plan.forward_scratch();
  if (!SpatialPropagationSharesDirections(plan)) {
    const int64_t threads =
        std::min<int64_t>(SpatialPropagationThreads(plan), tasks);
    const Scratch<T> scratch(threads, stride, 0, options);
    ForEach(tasks, threads, scratch.data, stride, [&](int64_t i, T* own) {
      SpatialPropagationForward(plan, t, i, i + 1, own);
    });
    return;
  }
  // The states of each vertical direction go to a map, and into the output when
  // all is there: in the order of the directions, which decides ties.
  const int64_t threads = SpatialPropagationThreads(plan);
  const Scratch<T> scratch(threads, stride, 2 * plan.elements(), options);
  const SpatialPropagationPlan horizontal = Directions(plan, kLeftToRight, 2);
  SpatialPropagationPlan vertical[2];
  SpatialPropagationForwardTensors<T> states[2];
  for (int i = 0; i < 2; ++i) {
    const int direction = kTopToBottom + i;
    vertical[i] = Directions(plan, direction, 1);
    states[i] = From(plan, direction, t);
    states[i].out.data = scratch.map + i * plan.elements();
    states[i].winner = nullptr;
  }
  ForEach(2 * tasks, threads, scratch.data, stride, [&](int64_t i, T* own) {
    const int64_t task = i % tasks;
    if (i < tasks) {
      SpatialPropagationForward(horizontal, t, task, task + 1, own);
    } else {
      for (int k = 0; k < 2; ++k) {
        SpatialPropagationForward(vertical[k], states[k], task, task + 1, own);
      }
    }
  });
  ForEach(plan.images * plan.height, threads, scratch.data, stride,
          [&](int64_t row, T* own) {
            for (int k = 0; k < 2; ++k) {
              SpatialPropagationMerge(vertical[k], states[k].out, t, row, own);
            }
          });
}

template <typename T>
void SpatialPropagationBackwardOnThreads(
    const SpatialPropagationPlan& plan,
    const SpatialPropagationBackwardTensors<T>& t,
    const at::Tensor& x_gradient) {
  const int64_t tasks = plan.tasks(), stride = plan.backward_scratch();
  if (!SpatialPropagationSharesDirections(plan)) {
    const int64_t threads =
        std::min<int64_t>(SpatialPropagationThreads(plan), tasks);
    const Scratch<T> scratch(threads, stride, 0, x_gradient.options());
    ForEach(tasks, threads, scratch.data, stride, [&](int64_t i, T* own) {
      SpatialPropagationBackward(plan, t, i, i + 1, own);
    });
    return;
  }
  // As in the forward pass; added in the order of the directions, as one task
  // would.
  const int64_t threads = SpatialPropagationThreads(plan);
  const Scratch<T> scratch(threads, stride, 2 * plan.elements(),
                           x_gradient.options());
  const SpatialPropagationPlan horizontal = Directions(plan, kLeftToRight, 2);
  SpatialPropagationPlan vertical[2];
  SpatialPropagationBackwardTensors<T> parts[2];
  for (int i = 0; i < 2; ++i) {
    const int direction = kTopToBottom + i;
    vertical[i] = Directions(plan, direction, 1);
    parts[i] = From(plan, direction, t);
    parts[i].x_gradient.data = scratch.map + i * plan.elements();
  }
  ForEach(2 * tasks, threads, scratch.data, stride, [&](int64_t i, T* own) {
    const int64_t task = i % tasks;
    if (i < tasks) {
      SpatialPropagationBackward(horizontal, t, task, task + 1, own);
    } else {
      for (int k = 0; k < 2; ++k) {
        SpatialPropagationBackward(vertical[k], parts[k], task, task + 1, own);
      }
    }
  });
  for (int k = 0; k < 2; ++k) {
    x_gradient.add_(
        scratch.block.as_strided(x_gradient.sizes(), x_gradient.strides(),
                                 parts[k].x_gradient.data - scratch.data));
  }
}

template void SpatialPropagationForwardOnThreads(
    const SpatialPropagationPlan&,
    const SpatialPropagationForwardTensors<float>&, const at::TensorOptions&);
template void SpatialPropagationBackwardOnThreads(
    const SpatialPropagationPlan&,
    const SpatialPropagationBackwardTensors<float>&, const at::Tensor&);
template void SpatialPropagationForwardOnThreads(
    const SpatialPropagationPlan&,
    const SpatialPropagationForwardTensors<double>&, const at::TensorOptions&);
template void SpatialPropagationBackwardOnThreads(
    const SpatialPropagationPlan&,
    const SpatialPropagationBackwardTensors<double>&, const at::Tensor&);

}  // namespace seg
