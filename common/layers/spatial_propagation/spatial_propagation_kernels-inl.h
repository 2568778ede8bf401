// Vector kernels of the spatial propagation for one line of a scan: forward
// step, merge, backward step. Included once a target (hwy/foreach_target.h).

// clang-format off
#if defined(COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_KERNELS_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_KERNELS_INL_H_
#undef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_KERNELS_INL_H_
#else
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_KERNELS_INL_H_
#endif
// clang-format on

#include <algorithm>
#include <cstdint>

#include "common/layers/spatial_propagation/gate_normalization.h"
#include "common/layers/spatial_propagation/spatial_propagation_gates-inl.h"
#include "common/layers/spatial_propagation/spatial_propagation_scan.h"
#include "hwy/cache_control.h"
#include "hwy/highway.h"

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

// Calls kernel.Vector for all vectors of a line. The kernel is passed by value:
// its members then live in registers although bytes are stored.
template <class Kernel, typename T = typename Kernel::Type>
HWY_INLINE void ForEachVector(Kernel kernel, const Line line) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 4> d4;
  const hn::CappedTag<T, 1> d1;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t lanes4 = static_cast<int64_t>(hn::Lanes(d4));
  for (int64_t r = 0; r < line.runs; ++r) {
    kernel.Prefetch(r);
    // Elements [first, last) of the run have both neighbours.
    const int64_t first = line.shift - r * line.length;
    const int64_t last =
        std::min(line.length, line.elements() - line.shift - r * line.length);
    int64_t j = 0;
    while (j + lanes <= line.length) {
      for (; j >= first && j + lanes <= last; j += lanes) {
        kernel.template Vector<false>(d, r, j);
      }
      if (j + lanes > line.length) break;
      kernel.template Vector<true>(d, r, j);
      j += lanes;
    }
    for (; j + lanes4 <= line.length; j += lanes4) {
      kernel.template Vector<true>(d4, r, j);
    }
    for (; j < line.length; ++j) kernel.template Vector<true>(d1, r, j);
  }
}

// Fetches the cache lines of `count` elements into the second level: more can
// be under way there than into the first.
template <typename T>
HWY_INLINE void PrefetchLines(const T* data, int64_t count) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  const char* from = reinterpret_cast<const char*>(data);
  const int64_t bytes = count * static_cast<int64_t>(sizeof(T));
  for (int64_t i = 0; i < bytes; i += 64) {
    __builtin_prefetch(from + i, /*write=*/0, /*locality=*/2);
  }
#else
  (void)data, (void)count;
#endif
}

// The element, relative to the start of a step, that a scan reads a few runs
// after run r: in this step or the next one, which is `step` elements on.
HWY_INLINE int64_t RunAhead(const Line& line, int64_t r, int64_t run,
                            int64_t step) {
  const int64_t ahead =
      r + std::min(spatial_propagation::kPrefetchRuns, line.runs);
  return ahead < line.runs ? ahead * run : (ahead - line.runs) * run + step;
}

// Where the states of one step are merged; a null `out` for nowhere.
template <typename T>
struct MergeTarget {
  T* out = nullptr;
  uint8_t* winner = nullptr;  // strides of out; or null
  int64_t run = 0;
  int64_t ahead = 0;  // stride to the next step
  int direction = 0;
  bool first = false;  // no direction before

  HWY_INLINE void Prefetch(const Line& line, int64_t r) const {
    if (out == nullptr) return;
    const int64_t element = RunAhead(line, r, run, ahead);
    PrefetchLines(out + element, line.length);
    if (winner != nullptr) PrefetchLines(winner + element, line.length);
  }

  template <class D>
  HWY_INLINE void Merge(D d, hn::Vec<D> h, int64_t r, int64_t j) const {
    if (out == nullptr) return;
    const int64_t o = r * run + j;
    if (first) {
      hn::StoreU(h, d, out + o);
      if (winner != nullptr) {
        const hn::Rebind<uint8_t, D> du8;
        hn::StoreU(hn::Set(du8, static_cast<uint8_t>(direction)), du8,
                   winner + o);
      }
      return;
    }
    // Larger, or NaN, but nothing replaces a NaN.
    const auto best = hn::LoadU(d, out + o);
    const auto take = hn::And(hn::Eq(best, best), hn::Not(hn::Le(h, best)));
    hn::StoreU(hn::IfThenElse(take, h, best), d, out + o);
    if (winner != nullptr) {
      const auto w = LoadWinner(d, winner + o);
      StoreWinner(
          d, hn::IfThenElse(take, hn::Set(d, static_cast<T>(direction)), w),
          winner + o);
    }
  }
};

// h of the first step, x, into `state`.
template <typename T>
struct FirstKernel {
  using Type = T;
  Line line;
  Tensor<const T> x;
  T* state;
  MergeTarget<T> merge;

  HWY_INLINE void Prefetch(int64_t) const {}

  template <bool kBorder, class D>
  HWY_INLINE void Vector(D d, int64_t r, int64_t j) const {
    const auto h = hn::LoadU(d, x.data + r * x.run + j);
    hn::StoreU(h, d, state + r * line.length + j);
    merge.Merge(d, h, r, j);
  }
};

// h of one step but the first.
template <int K, GateNormalization kRule, typename T>
struct ForwardKernel {
  using Type = T;
  Line line;
  Tensor<const T> x, gates;  // of this step
  int64_t gate_block;
  const T* previous;  // states, contiguous
  T* next;
  MergeTarget<T> merge;
  bool sum_all;
  bool prefetch;
  int64_t x_ahead, gates_ahead;  // strides to the next step

  HWY_INLINE void Prefetch(int64_t r) const {
    if (!prefetch) return;
    const T* gate = gates.data + RunAhead(line, r, gates.run, gates_ahead);
    HWY_UNROLL(3)
    for (int k = 0; k < K; ++k) {
      PrefetchLines(gate + k * gate_block, line.length);
    }
    PrefetchLines(x.data + RunAhead(line, r, x.run, x_ahead), line.length);
    merge.Prefetch(line, r);
  }

  template <bool kBorder, class D>
  HWY_INLINE void Vector(D d, int64_t r, int64_t j) const {
    const int64_t i = r * line.length + j;
    const auto x0 = hn::LoadU(d, x.data + r * x.run + j);
    Gates<K, D> g;
    LoadGates<K, kRule, kBorder>(d, gates.data + r * gates.run + j, gate_block,
                                 line, i, sum_all, g);
    auto h = x0;
    HWY_UNROLL(3)
    for (int k = 0; k < K; ++k) {
      const int64_t offset = K == 3 ? (k - 1) * line.shift : 0;
      const auto from = hn::LoadU(d, previous + i + offset);
      h = hn::MulAdd(g.gate[k], hn::Sub(from, x0), h);
    }
    hn::StoreU(h, d, next + i);
    merge.Merge(d, h, r, j);
  }
};

// e of one step, dx and d raw gates. The first step of a scan has no gates.
template <int K, GateNormalization kRule, bool kFirstStep, typename T>
struct BackwardKernel {
  using Type = T;
  Line line;
  Tensor<const T> x, gates, gradient;
  Tensor<const uint8_t> winner;
  Tensor<T> x_gradient, gates_gradient;
  int64_t gate_block, gates_gradient_block;
  const T* previous;     // states of the step before
  const T* products_in;  // K lines of p e of the step after
  T* products_out;
  int64_t products_stride;
  int direction;
  bool replace, sum_all;
  bool stream;  // gates_gradient bypasses the caches; all of it is aligned
  bool prefetch;
  int64_t segment_ahead;  // steps of a segment, negative for a reverse scan

  // Into the second level: what the segment before this one reads.
  HWY_INLINE void Prefetch(int64_t r) const {
    if (kFirstStep || !prefetch) return;
    const T* gate = gates.data + r * gates.run - segment_ahead * gates.step;
    HWY_UNROLL(3)
    for (int k = 0; k < K; ++k) {
      PrefetchLines(gate + k * gate_block, line.length);
    }
    PrefetchAhead(x, r);
    PrefetchAhead(gradient, r);
    PrefetchAhead(winner, r);
    PrefetchAhead(x_gradient, r);
  }
  template <typename U>
  HWY_INLINE void PrefetchAhead(const Tensor<U>& from, int64_t r) const {
    PrefetchLines(from.data + r * from.run - segment_ahead * from.step,
                  line.length);
  }

  template <class D>
  HWY_INLINE void StoreGate(D d, hn::Vec<D> value, T* to) const {
    if (stream) {
      hn::Stream(value, d, to);
    } else {
      hn::StoreU(value, d, to);
    }
  }

  template <bool kBorder, class D>
  HWY_INLINE void Vector(D d, int64_t r, int64_t j) const {
    const int64_t i = r * line.length + j;
    // Gradient of h: from out where this direction won, and from later steps.
    // Lane i - k received gate k from here.
    const auto mine = hn::Eq(LoadWinner(d, winner.data + r * winner.run + j),
                             hn::Set(d, static_cast<T>(direction)));
    auto e = hn::IfThenElseZero(
        mine, hn::LoadU(d, gradient.data + r * gradient.run + j));
    HWY_UNROLL(3)
    for (int k = 0; k < K; ++k) {
      const int64_t offset = K == 3 ? (1 - k) * line.shift : 0;
      e = hn::Add(e,
                  hn::LoadU(d, products_in + k * products_stride + i + offset));
    }
    T* to = gates_gradient.data + r * gates_gradient.run + j;
    auto dx = e;
    if constexpr (kFirstStep) {
      HWY_UNROLL(3)
      for (int k = 0; k < K; ++k) {
        StoreGate(d, hn::Zero(d), to + k * gates_gradient_block);
      }
    } else {
      Gates<K, D> g;
      LoadGates<K, kRule, kBorder>(d, gates.data + r * gates.run + j,
                                   gate_block, line, i, sum_all, g);
      const auto x0 = hn::LoadU(d, x.data + r * x.run + j);
      auto sum = g.gate[0];
      HWY_UNROLL(3)
      for (int k = 1; k < K; ++k) sum = hn::Add(sum, g.gate[k]);
      dx = hn::NegMulAdd(sum, e, e);
      hn::Vec<D> dp[K];
      HWY_UNROLL(3)
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
      HWY_UNROLL(3)
      for (int k = 0; k < K; ++k) {
        StoreGate(d, dp[k], to + k * gates_gradient_block);
      }
    }
    T* dx_to = x_gradient.data + r * x_gradient.run + j;
    if (!replace) dx = hn::Add(dx, hn::LoadU(d, dx_to));
    hn::StoreU(dx, d, dx_to);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace seg
HWY_AFTER_NAMESPACE();

#endif  // per target
