#include "common/layers/spatial_propagation/spatial_propagation_cpu.h"

#include <algorithm>
#include <cstring>

// Four targets cover the machines; each one costs seconds of compilation.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE \
  "common/layers/spatial_propagation/spatial_propagation_cpu.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h.
#include "hwy/cache_control.h"
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

// Shared by all targets: geometry.
#ifndef SEG_SPATIAL_PROPAGATION_ONCE
#define SEG_SPATIAL_PROPAGATION_ONCE
namespace seg {
namespace spatial_propagation {

// Elements that all lines in scratch are a multiple of: 64 bytes of float.
constexpr int64_t kAlign = 16;
// Runs (pixels) that the loads of a channels-last scan are ahead of their use;
// the hardware does not follow a scan over rows, which changes page each time.
constexpr int64_t kPrefetchRuns = 6;

inline int64_t RoundUp(int64_t x) { return (x + kAlign - 1) / kAlign * kAlign; }

inline bool Horizontal(int direction) { return direction <= kRightToLeft; }

// One step of a scan: `runs` runs of `length` elements with contiguous memory;
// the neighbouring lane is `shift` elements away in the line of all runs.
struct Line {
  int64_t runs, length, shift;

  int64_t elements() const { return runs * length; }
  // Zeros before and after a line of states.
  int64_t pad() const { return RoundUp(shift); }
  int64_t stride() const { return RoundUp(elements()) + 2 * pad(); }
};

inline Line MakeLine(const SpatialPropagationPlan& plan, bool horizontal,
                     int64_t channels) {
  const int64_t lanes = horizontal ? plan.height : plan.width;
  if (plan.channels_last) return {lanes, channels, channels};
  return {1, lanes, 1};
}

inline int64_t Segment(const SpatialPropagationPlan& plan, bool horizontal) {
  return horizontal ? plan.horizontal_segment : plan.vertical_segment;
}

inline int64_t Steps(const SpatialPropagationPlan& plan, bool horizontal) {
  return horizontal ? plan.width : plan.height;
}

inline int64_t CheckpointLines(const SpatialPropagationPlan& plan,
                               bool horizontal) {
  const int64_t segment = Segment(plan, horizontal);
  return (Steps(plan, horizontal) + segment - 1) / segment - 1;
}

// Products of the K gates and the gradient, of two steps.
constexpr int64_t kProductLines = 6;

// Transposed planes of a task over planes, elements each.
inline int64_t TransposedPlane(const SpatialPropagationPlan& plan) {
  return plan.channels_last ? 0 : plan.width * RoundUp(plan.height);
}
// Transposed gates of one segment.
inline int64_t Panel(const SpatialPropagationPlan& plan) {
  return plan.channels_last ? 0
                            : plan.connections * plan.horizontal_segment *
                                  RoundUp(plan.height);
}

// One direction of one task. The strides `step` lead to the next column or row
// in memory order, whatever the direction; `run` to the next run of a line.
template <typename T>
struct Tensor {
  T* data = nullptr;
  int64_t step = 0;
  int64_t run = 0;
};

template <typename T>
struct Scan {
  Line line;
  int64_t steps, segment;
  int direction;  // its number as a winner
  bool reverse;   // from the last column or row to the first
  bool replace;   // the first direction of the task: nothing to merge with
  bool sum_all;
  Tensor<const T> x, gates;
  int64_t gate_block;  // between the K gates
  // The gates (and their gradient) are planes in which the steps are adjacent
  // and lanes `run` apart: transposed by segments into `panel`.
  bool transpose;
  T* panel;
  T* lines;  // states; backward also products
  // Forward.
  Tensor<T> out;
  uint8_t* winner_out;  // strides of out; or null
  T* checkpoints_out;   // or null
  // Backward.
  Tensor<const T> gradient;
  Tensor<const uint8_t> winner;
  const T* checkpoints;
  Tensor<T> x_gradient, gates_gradient;
  int64_t gates_gradient_block;
  T* gradient_panel;

  int64_t Position(int64_t t) const { return reverse ? steps - 1 - t : t; }
};

// Blocked copy to[c][r] = from[r][c].
template <typename T>
void Transpose(const T* from, int64_t from_stride, int64_t rows,
               int64_t columns, T* to, int64_t to_stride) {
  constexpr int64_t kTile = 16;
  for (int64_t r0 = 0; r0 < rows; r0 += kTile) {
    const int64_t r1 = std::min(rows, r0 + kTile);
    for (int64_t c0 = 0; c0 < columns; c0 += kTile) {
      const int64_t c1 = std::min(columns, c0 + kTile);
      for (int64_t c = c0; c < c1; ++c) {
        for (int64_t r = r0; r < r1; ++r) {
          to[c * to_stride + r] = from[r * from_stride + c];
        }
      }
    }
  }
}

template <typename T>
void ClearPads(T* line, const Line& l) {
  std::fill(line, line + l.pad(), T(0));
  std::fill(line + l.pad() + l.elements(), line + l.stride(), T(0));
}

}  // namespace spatial_propagation
}  // namespace seg
#endif  // SEG_SPATIAL_PROPAGATION_ONCE

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using spatial_propagation::Line;
using spatial_propagation::Scan;
using spatial_propagation::Tensor;

// Directions as numbers of type T from bytes, and back.
template <class D>
HWY_INLINE hn::Vec<D> LoadWinner(D d, const uint8_t* from) {
  const hn::Rebind<uint8_t, D> du8;
  const hn::Rebind<int32_t, D> di32;
  const auto wide = hn::PromoteTo(di32, hn::LoadU(du8, from));
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    return hn::ConvertTo(d, wide);
  } else {
    return hn::PromoteTo(d, wide);
  }
}

template <class D>
HWY_INLINE void StoreWinner(D d, hn::Vec<D> winner, uint8_t* to) {
  const hn::Rebind<uint8_t, D> du8;
  const hn::Rebind<int32_t, D> di32;
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    hn::StoreU(hn::DemoteTo(du8, hn::ConvertTo(di32, winner)), du8, to);
  } else {
    hn::StoreU(hn::DemoteTo(du8, hn::DemoteTo(di32, winner)), du8, to);
  }
}

// The gates of one vector of elements.
template <int K, class D>
struct Gates {
  hn::Vec<D> raw[K];     // zero where unused; tanh of it under kTanh
  hn::Vec<D> gate[K];    // p
  hn::Vec<D> inverse;    // p = raw * inverse
  hn::Mask<D> divided;   // inverse depends on the raw gates
  hn::Mask<D> valid[K];  // set for K = 3 at the border
};

// e: index of the first element in the line.
template <int K, GateNormalization kRule, bool kBorder, class D,
          typename T = hn::TFromD<D>>
HWY_INLINE void LoadGates(D d, const T* HWY_RESTRICT from, int64_t block,
                          const Line& line, int64_t e, bool sum_all,
                          Gates<K, D>& g) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto one = hn::Set(d, T(1));
  for (int k = 0; k < K; ++k) g.raw[k] = hn::LoadU(d, from + k * block);
  if constexpr (kBorder && K == 3) {
    const int64_t before = std::clamp<int64_t>(line.shift - e, 0, lanes);
    const int64_t inside =
        std::clamp<int64_t>(line.elements() - line.shift - e, 0, lanes);
    g.valid[0] = hn::Not(hn::FirstN(d, static_cast<size_t>(before)));
    g.valid[1] = hn::FirstN(d, static_cast<size_t>(lanes));
    g.valid[2] = hn::FirstN(d, static_cast<size_t>(inside));
    if (!sum_all) {
      for (int k = 0; k < K; ++k) {
        g.raw[k] = hn::IfThenElseZero(g.valid[k], g.raw[k]);
      }
    }
  }
  if constexpr (kRule == GateNormalization::kTanh) {
    for (int k = 0; k < K; ++k) {
      const auto tanh = hn::Tanh(d, g.raw[k]);
      g.raw[k] = hn::IfThenElse(hn::IsNaN(g.raw[k]), g.raw[k], tanh);
    }
  }
  if constexpr (kRule == GateNormalization::kNone ||
                (kRule == GateNormalization::kTanh && K == 1)) {
    for (int k = 0; k < K; ++k) g.gate[k] = g.raw[k];
  } else {
    auto sum = hn::Abs(g.raw[0]);
    for (int k = 1; k < K; ++k) sum = hn::Add(sum, hn::Abs(g.raw[k]));
    if constexpr (kRule == GateNormalization::kDivide) {
      const auto floor = hn::Set(d, static_cast<T>(kGateDivideFloor));
      g.divided = hn::Gt(sum, floor);
      sum = hn::Max(sum, floor);
    } else if constexpr (kRule == GateNormalization::kDividePlus) {
      sum = hn::Add(sum, hn::Set(d, static_cast<T>(kGateDividePlusEpsilon)));
    } else {
      g.divided = hn::Ge(sum, one);
      sum = hn::Max(sum, one);
    }
    g.inverse = hn::Div(one, sum);
    for (int k = 0; k < K; ++k) g.gate[k] = hn::Mul(g.raw[k], g.inverse);
  }
  if constexpr (kBorder && K == 3) {
    if (sum_all) {
      for (int k = 0; k < K; ++k) {
        g.gate[k] = hn::IfThenElseZero(g.valid[k], g.gate[k]);
      }
    }
  }
}

// d raw from d p in place.
template <int K, GateNormalization kRule, class D>
HWY_INLINE void GateGradient(D d, const Gates<K, D>& g, hn::Vec<D> (&dp)[K]) {
  using T = hn::TFromD<D>;
  if constexpr (kRule != GateNormalization::kNone &&
                !(kRule == GateNormalization::kTanh && K == 1)) {
    // Unused gates have a zero in dp, so raw * inverse serves for p.
    auto dot = hn::Mul(dp[0], hn::Mul(g.raw[0], g.inverse));
    for (int k = 1; k < K; ++k) {
      dot = hn::MulAdd(dp[k], hn::Mul(g.raw[k], g.inverse), dot);
    }
    if constexpr (kRule != GateNormalization::kDividePlus) {
      dot = hn::IfThenElseZero(g.divided, dot);
    }
    for (int k = 0; k < K; ++k) {
      const auto signed_dot =
          hn::IfThenZeroElse(hn::Eq(g.raw[k], hn::Zero(d)),
                             hn::Xor(dot, hn::And(g.raw[k], hn::SignBit(d))));
      dp[k] = hn::Mul(hn::Sub(dp[k], signed_dot), g.inverse);
    }
  }
  if constexpr (kRule == GateNormalization::kTanh) {
    const auto one = hn::Set(d, T(1));
    for (int k = 0; k < K; ++k) {
      dp[k] = hn::Mul(dp[k], hn::NegMulAdd(g.raw[k], g.raw[k], one));
    }
  }
}

// Calls kernel.Vector for all vectors of a line. The kernel is passed by value:
// its members then live in registers although bytes are stored.
template <class Kernel, typename T = typename Kernel::Type>
HWY_INLINE void ForEachVector(Kernel kernel, const Line line) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 4> d4;
  const hn::CappedTag<T, 1> d1;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t lanes4 = static_cast<int64_t>(hn::Lanes(d4));
  const int64_t last = line.elements() - line.shift;
  for (int64_t r = 0; r < line.runs; ++r) {
    kernel.Prefetch(r);
    int64_t j = 0;
    for (; j + lanes <= line.length; j += lanes) {
      const int64_t e = r * line.length + j;
      if (e < line.shift || e + lanes > last) {
        kernel.template Vector<true>(d, r, j);
      } else {
        kernel.template Vector<false>(d, r, j);
      }
    }
    for (; j + lanes4 <= line.length; j += lanes4) {
      kernel.template Vector<true>(d4, r, j);
    }
    for (; j < line.length; ++j) kernel.template Vector<true>(d1, r, j);
  }
}

// Fetches ahead of run r of a step the data of a later run, of this step or of
// the next one, which is `step` elements on.
template <typename T>
HWY_INLINE void PrefetchRun(const Tensor<const T>& tensor, int64_t r,
                            const Line& line, int64_t step) {
  const int64_t ahead = r + spatial_propagation::kPrefetchRuns;
  const int64_t offset = ahead < line.runs
                             ? ahead * tensor.run
                             : (ahead - line.runs) * tensor.run + step;
  const char* from = reinterpret_cast<const char*>(tensor.data + offset);
  const int64_t bytes = line.length * static_cast<int64_t>(sizeof(T));
  for (int64_t i = 0; i < bytes; i += 64) hwy::Prefetch(from + i);
}

// h of one step; merged into out unless recomputing.
template <int K, GateNormalization kRule, typename T>
struct ForwardKernel {
  using Type = T;
  Line line;
  Tensor<const T> x, gates;  // of this step
  int64_t gate_block;
  const T* previous;  // states, contiguous; null in the first step
  T* next;
  Tensor<T> out;  // data null: recompute only
  uint8_t* winner;
  int direction;
  bool replace, sum_all;
  int64_t x_ahead, gates_ahead;  // strides to the next step

  HWY_INLINE void Prefetch(int64_t r) const {
    if (line.runs == 1) return;
    for (int k = 0; k < K; ++k) {
      PrefetchRun(Tensor<const T>{gates.data + k * gate_block, 0, gates.run}, r,
                  line, gates_ahead);
    }
    PrefetchRun(x, r, line, x_ahead);
  }

  template <bool kBorder, class D>
  HWY_INLINE void Vector(D d, int64_t r, int64_t j) const {
    const int64_t e = r * line.length + j;
    auto h = hn::LoadU(d, x.data + r * x.run + j);
    if (previous != nullptr) {
      Gates<K, D> g;
      LoadGates<K, kRule, kBorder>(d, gates.data + r * gates.run + j,
                                   gate_block, line, e, sum_all, g);
      const auto x0 = h;
      for (int k = 0; k < K; ++k) {
        const int64_t offset = K == 3 ? (k - 1) * line.shift : 0;
        const auto from = hn::LoadU(d, previous + e + offset);
        h = hn::MulAdd(g.gate[k], hn::Sub(from, x0), h);
      }
    }
    hn::StoreU(h, d, next + e);
    if (out.data == nullptr) return;
    const int64_t o = r * out.run + j;
    if (replace) {
      hn::StoreU(h, d, out.data + o);
      if (winner != nullptr) {
        const hn::Rebind<uint8_t, D> du8;
        hn::StoreU(hn::Set(du8, static_cast<uint8_t>(direction)), du8,
                   winner + o);
      }
      return;
    }
    // Larger, or NaN, but nothing replaces a NaN.
    const auto best = hn::LoadU(d, out.data + o);
    const auto take = hn::And(hn::Eq(best, best), hn::Not(hn::Le(h, best)));
    hn::StoreU(hn::IfThenElse(take, h, best), d, out.data + o);
    if (winner != nullptr) {
      const auto w = LoadWinner(d, winner + o);
      StoreWinner(
          d, hn::IfThenElse(take, hn::Set(d, static_cast<T>(direction)), w),
          winner + o);
    }
  }
};

// e of one step, dx and d raw gates.
template <int K, GateNormalization kRule, typename T>
struct BackwardKernel {
  using Type = T;
  Line line;
  Tensor<const T> x, gates, gradient;
  Tensor<const uint8_t> winner;
  Tensor<T> x_gradient, gates_gradient;
  int64_t gate_block, gates_gradient_block;
  const T* previous;     // states of the step before; null in the first step
  const T* products_in;  // K lines of p e of the step after
  T* products_out;
  int64_t products_stride;
  int direction;
  bool replace, sum_all;

  HWY_INLINE void Prefetch(int64_t) const {}

  template <bool kBorder, class D>
  HWY_INLINE void Vector(D d, int64_t r, int64_t j) const {
    const int64_t i = r * line.length + j;
    // Gradient of h: from out where this direction won, and from later steps.
    // Lane i - k received gate k from here.
    const auto mine = hn::Eq(LoadWinner(d, winner.data + r * winner.run + j),
                             hn::Set(d, static_cast<T>(direction)));
    auto e = hn::IfThenElseZero(
        mine, hn::LoadU(d, gradient.data + r * gradient.run + j));
    for (int k = 0; k < K; ++k) {
      const int64_t offset = K == 3 ? (1 - k) * line.shift : 0;
      e = hn::Add(e,
                  hn::LoadU(d, products_in + k * products_stride + i + offset));
    }
    T* to = gates_gradient.data + r * gates_gradient.run + j;
    auto dx = e;
    if (previous == nullptr) {
      for (int k = 0; k < K; ++k) {
        hn::StoreU(hn::Zero(d), d, to + k * gates_gradient_block);
      }
    } else {
      Gates<K, D> g;
      LoadGates<K, kRule, kBorder>(d, gates.data + r * gates.run + j,
                                   gate_block, line, i, sum_all, g);
      const auto x0 = hn::LoadU(d, x.data + r * x.run + j);
      auto sum = g.gate[0];
      for (int k = 1; k < K; ++k) sum = hn::Add(sum, g.gate[k]);
      dx = hn::NegMulAdd(sum, e, e);
      hn::Vec<D> dp[K];
      for (int k = 0; k < K; ++k) {
        const int64_t offset = K == 3 ? (k - 1) * line.shift : 0;
        const auto from = hn::LoadU(d, previous + i + offset);
        dp[k] = hn::Mul(e, hn::Sub(from, x0));
        if constexpr (kBorder && K == 3) {
          dp[k] = hn::IfThenElseZero(g.valid[k], dp[k]);
        }
        hn::StoreU(hn::Mul(g.gate[k], e), d,
                   products_out + k * products_stride + i);
      }
      GateGradient<K, kRule>(d, g, dp);
      for (int k = 0; k < K; ++k) {
        hn::StoreU(dp[k], d, to + k * gates_gradient_block);
      }
    }
    T* dx_to = x_gradient.data + r * x_gradient.run + j;
    if (!replace) dx = hn::Add(dx, hn::LoadU(d, dx_to));
    hn::StoreU(dx, d, dx_to);
  }
};

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
  for (int k = 0; k < K; ++k) {
    spatial_propagation::Transpose(
        scan.gates.data + k * scan.gate_block + *first, scan.gates.run,
        scan.line.length, end - begin, scan.panel + k * *block, column);
  }
  return {scan.panel, column, 0};
}

template <typename T>
Tensor<T> At(const Tensor<T>& tensor, int64_t position) {
  return {tensor.data + position * tensor.step, tensor.step, tensor.run};
}

template <int K, GateNormalization kRule, typename T>
ForwardKernel<K, kRule, T> MakeForward(const Scan<T>& scan,
                                       const Tensor<const T>& gates,
                                       int64_t block, int64_t first, int64_t t,
                                       const T* previous, T* next) {
  const int64_t position = scan.Position(t);
  ForwardKernel<K, kRule, T> kernel;
  kernel.line = scan.line;
  kernel.x = At(scan.x, position);
  kernel.gates = At(gates, position - first);
  kernel.gate_block = block;
  kernel.previous = t == 0 ? nullptr : previous;
  kernel.next = next;
  kernel.winner = nullptr;
  kernel.direction = scan.direction;
  kernel.replace = scan.replace;
  kernel.sum_all = scan.sum_all;
  kernel.x_ahead = scan.reverse ? -scan.x.step : scan.x.step;
  kernel.gates_ahead = scan.reverse ? -gates.step : gates.step;
  return kernel;
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
      auto kernel =
          MakeForward<K, kRule>(scan, gates, block, first, t, previous, next);
      kernel.out = At(scan.out, scan.Position(t));
      if (scan.winner_out != nullptr) {
        kernel.winner = scan.winner_out + scan.Position(t) * scan.out.step;
      }
      ForEachVector(kernel, line);
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
    if (begin > 0) {
      std::memcpy(states,
                  scan.checkpoints + (begin / scan.segment - 1) * elements,
                  elements * sizeof(T));
    }
    for (int64_t t = begin; t + 1 < end; ++t) {
      T* from = states + (t - begin) * stride;
      auto kernel = MakeForward<K, kRule>(scan, gates, block, first, t, from,
                                          from + stride);
      ForEachVector(kernel, line);
    }
    Tensor<T> gates_gradient = scan.gates_gradient;
    int64_t gates_gradient_block = scan.gates_gradient_block;
    if (scan.transpose) {
      gates_gradient = {scan.gradient_panel, column, 0};
      gates_gradient_block = block;
    }
    for (int64_t t = end - 1; t >= begin; --t) {
      const int64_t position = scan.Position(t);
      BackwardKernel<K, kRule, T> kernel;
      kernel.line = line;
      kernel.x = At(scan.x, position);
      kernel.gates = At(gates, position - first);
      kernel.gradient = At(scan.gradient, position);
      kernel.winner = At(scan.winner, position);
      kernel.x_gradient = At(scan.x_gradient, position);
      kernel.gates_gradient = At(gates_gradient, position - first);
      kernel.gate_block = block;
      kernel.gates_gradient_block = gates_gradient_block;
      kernel.previous = t == 0 ? nullptr : states + (t - begin) * stride;
      kernel.products_in = products_in;
      kernel.products_out = products_out;
      kernel.products_stride = stride;
      kernel.direction = scan.direction;
      kernel.replace = scan.replace;
      kernel.sum_all = scan.sum_all;
      ForEachVector(kernel, line);
      std::swap(products_in, products_out);
    }
    if (scan.transpose) {
      for (int k = 0; k < K; ++k) {
        spatial_propagation::Transpose(
            scan.gradient_panel + k * block, column, end - begin, line.length,
            scan.gates_gradient.data + k * scan.gates_gradient_block + first,
            scan.gates_gradient.run);
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

}  // namespace HWY_NAMESPACE
}  // namespace seg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seg {

HWY_EXPORT(RunFloat);
HWY_EXPORT(RunDouble);

namespace {

using spatial_propagation::Horizontal;
using spatial_propagation::Line;
using spatial_propagation::MakeLine;
using spatial_propagation::Panel;
using spatial_propagation::RoundUp;
using spatial_propagation::Scan;
using spatial_propagation::Segment;
using spatial_propagation::Steps;
using spatial_propagation::Tensor;
using spatial_propagation::Transpose;
using spatial_propagation::TransposedPlane;

void RunScan(const Scan<float>& scan, const SpatialPropagationPlan& plan,
             bool backward) {
  HWY_DYNAMIC_DISPATCH(RunFloat)(scan, plan, backward);
}
void RunScan(const Scan<double>& scan, const SpatialPropagationPlan& plan,
             bool backward) {
  HWY_DYNAMIC_DISPATCH(RunDouble)(scan, plan, backward);
}

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
  return {data, RoundUp(plan.height), 0};
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
  scan.segment = Segment(plan, horizontal);
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
  T* checkpoints =
      t.checkpoints == nullptr
          ? nullptr
          : t.checkpoints + (task.image * plan.channels + task.first) *
                                plan.checkpoint_elements();
  const int64_t column = RoundUp(plan.height);
  for (int direction = plan.first_direction;
       direction < plan.first_direction + plan.directions; ++direction) {
    Scan<T> scan = MakeScan(plan, task, direction, t.x, t.gates);
    scan.panel = panel;
    scan.lines = lines;
    scan.out = Along(t.out, task, Horizontal(direction));
    scan.winner_out = winner;
    scan.checkpoints_out = checkpoints;
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
    RunScan(scan, plan, /*backward=*/false);
    if (scan.transpose && (direction == kRightToLeft || plan.directions == 1)) {
      Transpose<T>(out_columns, column, plan.width, plan.height,
                   Origin(t.out, task), t.out.row);
      if (winner != nullptr) {
        Transpose<uint8_t>(winner_columns, column, plan.width, plan.height,
                           winner, t.out.row);
      }
    }
    if (checkpoints != nullptr) {
      checkpoints +=
          spatial_propagation::CheckpointLines(plan, Horizontal(direction)) *
          scan.line.elements();
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
  const T* checkpoints =
      t.checkpoints +
      (task.image * plan.channels + task.first) * plan.checkpoint_elements();
  const int64_t column = RoundUp(plan.height);
  for (int direction = plan.first_direction;
       direction < plan.first_direction + plan.directions; ++direction) {
    const bool horizontal = Horizontal(direction);
    Scan<T> scan = MakeScan(plan, task, direction, t.x, t.gates);
    scan.panel = panel;
    scan.gradient_panel = gradient_panel;
    scan.lines = lines;
    scan.checkpoints = checkpoints;
    scan.gradient = Along(t.gradient, task, horizontal);
    scan.winner = Along(t.winner, task, horizontal);
    scan.x_gradient = Along(t.x_gradient, task, horizontal);
    scan.gates_gradient = Along(t.gates_gradient, task, horizontal);
    const int64_t gate =
        (direction - plan.first_direction) * plan.connections * plan.channels;
    scan.gates_gradient.data += gate * t.gates_gradient.channel;
    scan.gates_gradient_block = plan.channels * t.gates_gradient.channel;
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
    RunScan(scan, plan, /*backward=*/true);
    if (scan.transpose && (direction == kRightToLeft || plan.directions == 1)) {
      Transpose<T>(x_gradient_columns, column, plan.width, plan.height,
                   Origin(t.x_gradient, task), t.x_gradient.row);
    }
    checkpoints += spatial_propagation::CheckpointLines(plan, horizontal) *
                   scan.line.elements();
  }
}

// The longest lines of a task.
int64_t LineStride(const SpatialPropagationPlan& plan, bool horizontal) {
  return MakeLine(plan, horizontal, std::min(plan.channel_block, plan.channels))
      .stride();
}

}  // namespace

int64_t SpatialPropagationPlan::checkpoint_elements() const {
  int64_t elements = 0;
  for (int i = first_direction; i < first_direction + directions; ++i) {
    elements += spatial_propagation::CheckpointLines(*this, Horizontal(i)) *
                (Horizontal(i) ? height : width);
  }
  return elements;
}

int64_t SpatialPropagationPlan::forward_scratch() const {
  return 3 * TransposedPlane(*this) + Panel(*this) +
         2 * std::max(LineStride(*this, true), LineStride(*this, false));
}

int64_t SpatialPropagationPlan::backward_scratch() const {
  const int64_t extra = 1 + spatial_propagation::kProductLines;
  return 4 * TransposedPlane(*this) + 2 * Panel(*this) +
         std::max((horizontal_segment + extra) * LineStride(*this, true),
                  (vertical_segment + extra) * LineStride(*this, false));
}

template <typename T>
void SpatialPropagationForward(const SpatialPropagationPlan& plan,
                               const SpatialPropagationForwardTensors<T>& t,
                               int64_t begin, int64_t end, T* scratch) {
  for (int64_t i = begin; i < end; ++i) ForwardTask(plan, t, i, scratch);
}

template <typename T>
void SpatialPropagationBackward(const SpatialPropagationPlan& plan,
                                const SpatialPropagationBackwardTensors<T>& t,
                                int64_t begin, int64_t end, T* scratch) {
  for (int64_t i = begin; i < end; ++i) BackwardTask(plan, t, i, scratch);
}

template void SpatialPropagationForward(
    const SpatialPropagationPlan&,
    const SpatialPropagationForwardTensors<float>&, int64_t, int64_t, float*);
template void SpatialPropagationForward(
    const SpatialPropagationPlan&,
    const SpatialPropagationForwardTensors<double>&, int64_t, int64_t, double*);
template void SpatialPropagationBackward(
    const SpatialPropagationPlan&,
    const SpatialPropagationBackwardTensors<float>&, int64_t, int64_t, float*);
template void SpatialPropagationBackward(
    const SpatialPropagationPlan&,
    const SpatialPropagationBackwardTensors<double>&, int64_t, int64_t,
    double*);

}  // namespace seg
#endif  // HWY_ONCE
