// One direction of one task from its first step to its last and back, on the
// kernels for a line. Included once a target (hwy/foreach_target.h).

// clang-format off
#if defined(COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_SCAN_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_SCAN_INL_H_
#undef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_SCAN_INL_H_
#else
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_SCAN_INL_H_
#endif
// clang-format on

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/layers/spatial_propagation/spatial_propagation_kernels-inl.h"
#include "common/layers/spatial_propagation/spatial_propagation_scan.h"
#include "common/layers/spatial_propagation/spatial_propagation_transpose-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using spatial_propagation::Line;
using spatial_propagation::Scan;
using spatial_propagation::Tensor;

// Where the gates of the segment [begin, end) are: in place, or in the panel
// after transposing them.
template <int K, typename T>
Tensor<const T> SegmentGates(const Scan<T>& scan, int64_t begin, int64_t end,
                             int64_t* block, int64_t* first) {
  *block = scan.gate_block;
  *first = 0;
  if (!scan.transpose) return scan.gates;
  *first = scan.reverse ? scan.steps - end : begin;
  const int64_t column = spatial_propagation::ColumnStride(scan.line.length);
  *block = scan.segment * column;
  HWY_UNROLL(3)
  for (int k = 0; k < K; ++k) {
    Transpose(scan.gates.data + k * scan.gate_block + *first, scan.gates.run,
              scan.line.length, end - begin, scan.panel + k * *block, column,
              /*stream=*/false);
  }
  return {scan.panel, column, 0};
}

template <typename T>
Tensor<T> At(const Tensor<T>& tensor, int64_t position) {
  return {tensor.data + position * tensor.step, tensor.step, tensor.run};
}

template <typename T>
MergeTarget<T> MakeMerge(const Scan<T>& scan, int64_t t) {
  MergeTarget<T> merge;
  const int64_t position = scan.Position(t) * scan.out.step;
  merge.out = scan.out.data + position;
  if (scan.winner_out != nullptr) merge.winner = scan.winner_out + position;
  merge.run = scan.out.run;
  merge.step = scan.reverse ? -scan.out.step : scan.out.step;
  merge.direction = scan.direction;
  merge.first = scan.replace;
  return merge;
}

// The states of step t are kept if each step's are and one comes after it.
template <typename T>
KeepTarget<T> MakeKeep(const Scan<T>& scan, int64_t t) {
  KeepTarget<T> keep;
  if (scan.checkpoints_out != nullptr && scan.segment == 1 &&
      t + 1 < scan.steps) {
    keep.data = scan.checkpoints_out + t * scan.line.elements();
    keep.stream = scan.stream;
  }
  return keep;
}

// h of step 0.
template <typename T>
void FirstStep(const Scan<T>& scan, const MergeTarget<T>& merge,
               const KeepTarget<T>& keep, T* to) {
  FirstKernel<T> kernel;
  kernel.line = scan.line;
  kernel.line.shift = 0;  // no neighbours
  kernel.x = At(scan.x, scan.Position(0));
  kernel.state = to;
  kernel.merge = merge;
  kernel.keep = keep;
  ForEachVector(kernel, kernel.line);
}

// h of step t > 0.
template <int K, GateNormalization kRule, typename T>
void ForwardStep(const Scan<T>& scan, const Tensor<const T>& gates,
                 int64_t block, int64_t first, int64_t t,
                 const MergeTarget<T>& merge, const KeepTarget<T>& keep,
                 const T* previous, T* next) {
  const int64_t position = scan.Position(t);
  ForwardKernel<K, kRule, T> kernel;
  kernel.line = scan.line;
  kernel.x = At(scan.x, position);
  kernel.gates = At(gates, position - first);
  kernel.gate_block = block;
  kernel.previous = previous;
  kernel.next = next;
  kernel.merge = merge;
  kernel.keep = keep;
  kernel.sum_all = scan.sum_all;
  kernel.prefetch = scan.line.runs > 1;
  kernel.x_step = scan.reverse ? -scan.x.step : scan.x.step;
  kernel.gates_step = scan.reverse ? -gates.step : gates.step;
  ForEachVector(kernel, scan.line);
}

template <int K, GateNormalization kRule, typename T>
HWY_NOINLINE void ForwardScan(const Scan<T>& scan) {
  const Line line = scan.line;
  const int64_t elements = line.elements();
  T* previous = scan.lines + line.pad();
  T* next = previous + line.stride();
  spatial_propagation::ClearPads(scan.lines, line);
  spatial_propagation::ClearPads(scan.lines + line.stride(), line);
  for (int64_t begin = 0; begin < scan.steps; begin += scan.segment) {
    const int64_t end = std::min(begin + scan.segment, scan.steps);
    int64_t block, first;
    const Tensor<const T> gates =
        SegmentGates<K>(scan, begin, end, &block, &first);
    if (begin > 0 && scan.checkpoints_out != nullptr && scan.segment > 1) {
      std::memcpy(scan.checkpoints_out + (begin / scan.segment - 1) * elements,
                  previous, elements * sizeof(T));
    }
    for (int64_t t = begin; t < end; ++t) {
      if (t == 0) {
        FirstStep(scan, MakeMerge(scan, t), MakeKeep(scan, t), next);
      } else {
        ForwardStep<K, kRule>(scan, gates, block, first, t, MakeMerge(scan, t),
                              MakeKeep(scan, t), previous, next);
      }
      std::swap(previous, next);
    }
  }
}

// The states of the steps [begin, end - 1) into lines `states` + 1 on, from the
// checkpoint before them; that goes into the first line. Planes only.
template <int K, GateNormalization kRule, typename T>
void Recompute(const Scan<T>& scan, const Tensor<const T>& gates, int64_t block,
               int64_t first, int64_t begin, int64_t end, T* states) {
  const int64_t elements = scan.line.elements(), stride = scan.line.stride();
  if (begin == 0) {
    FirstStep(scan, MergeTarget<T>(), KeepTarget<T>(), states + stride);
  } else {
    std::memcpy(states,
                scan.checkpoints + (begin / scan.segment - 1) * elements,
                elements * sizeof(T));
  }
  for (int64_t t = std::max<int64_t>(begin, 1); t + 1 < end; ++t) {
    T* from = states + (t - begin) * stride;
    ForwardStep<K, kRule>(scan, gates, block, first, t, MergeTarget<T>(),
                          KeepTarget<T>(), from, from + stride);
  }
}

template <int K, GateNormalization kRule, typename T>
HWY_NOINLINE void BackwardScan(const Scan<T>& scan) {
  const Line line = scan.line;
  const int64_t stride = line.stride();
  const int64_t state_lines =
      spatial_propagation::StateLines(scan.segment) * stride;
  // Line s is h of step begin - 1 + s.
  T* states = scan.lines + line.pad();
  for (int64_t i = 0; i < state_lines; i += stride) {
    spatial_propagation::ClearPads(scan.lines + i, line);
  }
  T* products = scan.lines + state_lines;
  std::fill(products, products + spatial_propagation::kProductLines * stride,
            T(0));
  T* products_in = products + line.pad();
  T* products_out = products_in + K * stride;
  const int64_t column = spatial_propagation::ColumnStride(line.length);
  const int64_t last = (scan.steps - 1) / scan.segment * scan.segment;
  for (int64_t begin = last; begin >= 0; begin -= scan.segment) {
    const int64_t end = std::min(begin + scan.segment, scan.steps);
    int64_t block, first;
    const Tensor<const T> gates =
        SegmentGates<K>(scan, begin, end, &block, &first);
    if (scan.segment > 1) {
      Recompute<K, kRule>(scan, gates, block, first, begin, end, states);
    }
    Tensor<T> gates_gradient = scan.gates_gradient;
    int64_t gates_gradient_block = scan.gates_gradient_block;
    if (scan.transpose && gates_gradient.data != nullptr) {
      gates_gradient = {scan.gradient_panel, column, 0};
      gates_gradient_block = block;
    }
    const auto step = [&](auto kernel, int64_t t) HWY_ATTR {
      const int64_t position = scan.Position(t);
      kernel.line = line;
      kernel.x = At(scan.x, position);
      kernel.gates = At(gates, position - first);
      kernel.gradient = At(scan.gradient, position);
      kernel.winner = At(scan.winner, position);
      kernel.x_gradient = At(scan.x_gradient, position);
      kernel.gates_gradient = At(gates_gradient, position - first);
      kernel.gate_block = block;
      kernel.gates_gradient_block = gates_gradient_block;
      kernel.previous = scan.segment > 1 ? states + (t - begin) * stride
                        : t > 0 ? scan.checkpoints + (t - 1) * line.elements()
                                : nullptr;
      kernel.products_in = products_in;
      kernel.products_out = products_out;
      kernel.products_stride = stride;
      kernel.direction = scan.direction;
      kernel.replace = scan.replace;
      kernel.sum_all = scan.sum_all;
      kernel.stream = scan.stream && !scan.transpose;
      kernel.prefetch = line.runs > 1;
      kernel.steps = scan.reverse ? 1 : -1;
      ForEachVector(kernel, line);
    };
    for (int64_t t = end - 1; t >= begin; --t) {
      if (t == 0) {
        step(BackwardKernel<K, GateNormalization::kNone, true, T>(), t);
      } else {
        step(BackwardKernel<K, kRule, false, T>(), t);
      }
      std::swap(products_in, products_out);
    }
    if (scan.transpose && gates_gradient.data != nullptr) {
      HWY_UNROLL(3)
      for (int k = 0; k < K; ++k) {
        T* to =
            scan.gates_gradient.data + k * scan.gates_gradient_block + first;
        Transpose<T>(scan.gradient_panel + k * block, column, end - begin,
                     line.length, to, scan.gates_gradient.run,
                     scan.stream && reinterpret_cast<uintptr_t>(to) % 64 == 0);
      }
    }
  }
}

template <int K, GateNormalization kRule, bool kBackward, typename T>
void RunRule(const Scan<T>& scan) {
  if constexpr (kBackward) {
    BackwardScan<K, kRule>(scan);
  } else {
    ForwardScan<K, kRule>(scan);
  }
}

// Scans by the plan's rule.
template <bool kBackward, typename T>
void RunScan(const Scan<T>& scan, const SpatialPropagationPlan& plan) {
  using Rule = GateNormalization;
  if (plan.connections == 1) {
    switch (plan.normalization) {
      case Rule::kNone:
        return RunRule<1, Rule::kNone, kBackward>(scan);
      case Rule::kTanh:
        return RunRule<1, Rule::kTanh, kBackward>(scan);
      case Rule::kClamp:
        return RunRule<1, Rule::kClamp, kBackward>(scan);
      default:
        HWY_ABORT("rule refused with one gate");
    }
  }
  switch (plan.normalization) {
    case Rule::kNone:
      return RunRule<3, Rule::kNone, kBackward>(scan);
    case Rule::kTanh:
      return RunRule<3, Rule::kTanh, kBackward>(scan);
    case Rule::kDivide:
      return RunRule<3, Rule::kDivide, kBackward>(scan);
    case Rule::kClamp:
      return RunRule<3, Rule::kClamp, kBackward>(scan);
    case Rule::kDividePlus:
      return RunRule<3, Rule::kDividePlus, kBackward>(scan);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace seg
HWY_AFTER_NAMESPACE();

#endif  // per target
