#include "common/layers/spatial_propagation/spatial_propagation_scan.h"

#include <algorithm>
#include <cstring>
#include <utility>

// Four targets cover the machines; each one costs seconds of compilation.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE \
  "common/layers/spatial_propagation/spatial_propagation_scan.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h.
#include "common/layers/spatial_propagation/spatial_propagation_kernels-inl.h"
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
  const int64_t column = spatial_propagation::RoundUp(scan.line.length);
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
  merge.ahead = scan.reverse ? -scan.out.step : scan.out.step;
  merge.direction = scan.direction;
  merge.first = scan.replace;
  return merge;
}

// h of step 0.
template <typename T>
void FirstStep(const Scan<T>& scan, const MergeTarget<T>& merge, T* to) {
  FirstKernel<T> kernel;
  kernel.line = scan.line;
  kernel.line.shift = 0;  // no neighbours
  kernel.x = At(scan.x, scan.Position(0));
  kernel.state = to;
  kernel.merge = merge;
  ForEachVector(kernel, kernel.line);
}

// h of step t > 0.
template <int K, GateNormalization kRule, typename T>
void ForwardStep(const Scan<T>& scan, const Tensor<const T>& gates,
                 int64_t block, int64_t first, int64_t t, bool prefetch,
                 const MergeTarget<T>& merge, const T* previous, T* next) {
  const int64_t position = scan.Position(t);
  ForwardKernel<K, kRule, T> kernel;
  kernel.line = scan.line;
  kernel.x = At(scan.x, position);
  kernel.gates = At(gates, position - first);
  kernel.gate_block = block;
  kernel.previous = previous;
  kernel.next = next;
  kernel.merge = merge;
  kernel.sum_all = scan.sum_all;
  kernel.prefetch = prefetch && scan.line.runs > 1;
  kernel.x_ahead = scan.reverse ? -scan.x.step : scan.x.step;
  kernel.gates_ahead = scan.reverse ? -gates.step : gates.step;
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
    if (begin > 0 && scan.checkpoints_out != nullptr) {
      std::memcpy(scan.checkpoints_out + (begin / scan.segment - 1) * elements,
                  previous, elements * sizeof(T));
    }
    for (int64_t t = begin; t < end; ++t) {
      if (t == 0) {
        FirstStep(scan, MakeMerge(scan, t), next);
      } else {
        ForwardStep<K, kRule>(scan, gates, block, first, t, /*prefetch=*/true,
                              MakeMerge(scan, t), previous, next);
      }
      std::swap(previous, next);
    }
  }
}

template <int K, GateNormalization kRule, typename T>
HWY_NOINLINE void BackwardScan(const Scan<T>& scan) {
  const Line line = scan.line;
  const int64_t elements = line.elements(), stride = line.stride();
  // Line s of the states is h of step begin - 1 + s.
  T* states = scan.lines + line.pad();
  T* products = scan.lines + (scan.segment + 1) * stride + line.pad();
  for (int64_t i = 0; i <= scan.segment; ++i) {
    spatial_propagation::ClearPads(scan.lines + i * stride, line);
  }
  std::fill(
      scan.lines + (scan.segment + 1) * stride,
      scan.lines +
          (scan.segment + 1 + spatial_propagation::kProductLines) * stride,
      T(0));
  T* products_in = products;
  T* products_out = products + K * stride;
  const int64_t column = spatial_propagation::RoundUp(line.length);
  const int64_t last = (scan.steps - 1) / scan.segment * scan.segment;
  for (int64_t begin = last; begin >= 0; begin -= scan.segment) {
    const int64_t end = std::min(begin + scan.segment, scan.steps);
    int64_t block, first;
    const Tensor<const T> gates =
        SegmentGates<K>(scan, begin, end, &block, &first);
    if (begin == 0) {
      FirstStep(scan, MergeTarget<T>(), states + stride);
    } else {
      std::memcpy(states,
                  scan.checkpoints + (begin / scan.segment - 1) * elements,
                  elements * sizeof(T));
    }
    for (int64_t t = std::max<int64_t>(begin, 1); t + 1 < end; ++t) {
      T* from = states + (t - begin) * stride;
      // Later segments were fetched by the scan back.
      ForwardStep<K, kRule>(scan, gates, block, first, t,
                            /*prefetch=*/begin == last, MergeTarget<T>(), from,
                            from + stride);
    }
    Tensor<T> gates_gradient = scan.gates_gradient;
    int64_t gates_gradient_block = scan.gates_gradient_block;
    if (scan.transpose) {
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
      kernel.previous = states + (t - begin) * stride;
      kernel.products_in = products_in;
      kernel.products_out = products_out;
      kernel.products_stride = stride;
      kernel.direction = scan.direction;
      kernel.replace = scan.replace;
      kernel.sum_all = scan.sum_all;
      kernel.stream = scan.stream && !scan.transpose;
      kernel.prefetch = line.runs > 1 && begin > 0;
      kernel.segment_ahead = scan.reverse ? -scan.segment : scan.segment;
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
    if (scan.transpose) {
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

template <int K, GateNormalization kRule, typename T>
void RunScan(const Scan<T>& scan, bool backward) {
  if (backward) {
    BackwardScan<K, kRule>(scan);
  } else {
    ForwardScan<K, kRule>(scan);
  }
}

template <typename T>
void Run(const Scan<T>& scan, const SpatialPropagationPlan& plan,
         bool backward) {
  using Rule = GateNormalization;
  if (plan.connections == 1) {
    switch (plan.normalization) {
      case Rule::kNone:
        return RunScan<1, Rule::kNone>(scan, backward);
      case Rule::kTanh:
        return RunScan<1, Rule::kTanh>(scan, backward);
      case Rule::kClamp:
        return RunScan<1, Rule::kClamp>(scan, backward);
      default:
        HWY_ABORT("rule refused with one gate");
    }
  }
  switch (plan.normalization) {
    case Rule::kNone:
      return RunScan<3, Rule::kNone>(scan, backward);
    case Rule::kTanh:
      return RunScan<3, Rule::kTanh>(scan, backward);
    case Rule::kDivide:
      return RunScan<3, Rule::kDivide>(scan, backward);
    case Rule::kClamp:
      return RunScan<3, Rule::kClamp>(scan, backward);
    case Rule::kDividePlus:
      return RunScan<3, Rule::kDividePlus>(scan, backward);
  }
}

// Not templates: what HWY_EXPORT takes.
void RunFloat(const Scan<float>& scan, const SpatialPropagationPlan& plan,
              bool backward) {
  Run(scan, plan, backward);
}
void RunDouble(const Scan<double>& scan, const SpatialPropagationPlan& plan,
               bool backward) {
  Run(scan, plan, backward);
}

void TransposeFloat(const float* from, int64_t from_stride, int64_t rows,
                    int64_t columns, float* to, int64_t to_stride) {
  Transpose(from, from_stride, rows, columns, to, to_stride, false);
}
void TransposeDouble(const double* from, int64_t from_stride, int64_t rows,
                     int64_t columns, double* to, int64_t to_stride) {
  Transpose(from, from_stride, rows, columns, to, to_stride, false);
}
void TransposeBytes(const uint8_t* from, int64_t from_stride, int64_t rows,
                    int64_t columns, uint8_t* to, int64_t to_stride) {
  Transpose(from, from_stride, rows, columns, to, to_stride, false);
}

}  // namespace HWY_NAMESPACE
}  // namespace seg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seg {

HWY_EXPORT(RunFloat);
HWY_EXPORT(RunDouble);
HWY_EXPORT(TransposeFloat);
HWY_EXPORT(TransposeDouble);
HWY_EXPORT(TransposeBytes);

namespace spatial_propagation {

void RunScan(const Scan<float>& scan, const SpatialPropagationPlan& plan,
             bool backward) {
  HWY_DYNAMIC_DISPATCH(RunFloat)(scan, plan, backward);
}
void RunScan(const Scan<double>& scan, const SpatialPropagationPlan& plan,
             bool backward) {
  HWY_DYNAMIC_DISPATCH(RunDouble)(scan, plan, backward);
}

void Transpose(const float* from, int64_t from_stride, int64_t rows,
               int64_t columns, float* to, int64_t to_stride) {
  HWY_DYNAMIC_DISPATCH(TransposeFloat)
  (from, from_stride, rows, columns, to, to_stride);
}
void Transpose(const double* from, int64_t from_stride, int64_t rows,
               int64_t columns, double* to, int64_t to_stride) {
  HWY_DYNAMIC_DISPATCH(TransposeDouble)
  (from, from_stride, rows, columns, to, to_stride);
}
void Transpose(const uint8_t* from, int64_t from_stride, int64_t rows,
               int64_t columns, uint8_t* to, int64_t to_stride) {
  HWY_DYNAMIC_DISPATCH(TransposeBytes)
  (from, from_stride, rows, columns, to, to_stride);
}

void FlushStream() { hwy::FlushStream(); }

}  // namespace spatial_propagation
}  // namespace seg
#endif  // HWY_ONCE
