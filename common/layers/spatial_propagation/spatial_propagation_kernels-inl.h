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

// The winning directions, bytes in memory, as integers of the size of T.
template <class D>
using Winner = hn::Rebind<hwy::UnsignedFromSize<sizeof(hn::TFromD<D>)>, D>;

template <class D>
HWY_INLINE hn::Vec<Winner<D>> LoadWinner(D d, const uint8_t* from) {
  const hn::Rebind<uint8_t, D> du8;
  const hn::Rebind<uint32_t, D> du32;
  const auto wide = hn::PromoteTo(du32, hn::LoadU(du8, from));
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    return wide;
  } else {
    return hn::PromoteTo(Winner<D>(), wide);
  }
}

template <class D>
HWY_INLINE void StoreWinner(D d, hn::Vec<Winner<D>> winner, uint8_t* to) {
  const hn::Rebind<uint8_t, D> du8;
  hn::StoreU(hn::TruncateTo(du8, winner), du8, to);
}

// Calls kernel.StartRun for each run of a line and kernel.Vector for all its
// vectors. The kernel is passed by value: its members then live in registers
// although bytes are stored.
template <class Kernel, typename T = typename Kernel::Type>
HWY_INLINE void ForEachVector(Kernel kernel, const Line line) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 4> d4;
  const hn::CappedTag<T, 1> d1;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t r = 0; r < line.runs; ++r) {
    kernel.StartRun(r);
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
    // Not where it would be the same code again.
    if constexpr (hn::MaxLanes(d) > hn::MaxLanes(d4)) {
      const int64_t lanes4 = static_cast<int64_t>(hn::Lanes(d4));
      for (; j + lanes4 <= line.length; j += lanes4) {
        kernel.template Vector<true>(d4, r, j);
      }
    }
    if constexpr (hn::MaxLanes(d) > 1) {
      for (; j < line.length; ++j) kernel.template Vector<true>(d1, r, j);
    }
  }
}

// Into the second level cache: more can be under way there than into the first.
template <typename T>
HWY_INLINE void PrefetchLine(const T* data) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  __builtin_prefetch(data, /*write=*/0, /*locality=*/2);
#else
  (void)data;
#endif
}

// Whether the vector at element j of a run is the first of a cache line.
template <class D>
HWY_INLINE bool StartsCacheLine(D d, int64_t j) {
  constexpr int64_t kLanes = 64 / sizeof(hn::TFromD<D>);
  return hn::MaxLanes(d) >= kLanes || j % kLanes == 0;
}

// From run r of a step to the run that the scan comes to line.ahead runs later,
// in this step or in the next one, which is `step` elements on. Each vector
// fetches for the one that far ahead: even traffic, no bursts that stall.
HWY_INLINE int64_t AheadOffset(const Line& line, int64_t r, int64_t run,
                               int64_t step) {
  const int64_t ahead = line.ahead;
  return r + ahead < line.runs ? ahead * run : (ahead - line.runs) * run + step;
}

// Where the states of one step are merged; a null `out` for nowhere.
template <typename T>
struct MergeTarget {
  T* out = nullptr;
  uint8_t* winner = nullptr;  // strides of out; or null
  int64_t run = 0;
  int64_t step = 0;  // stride to the next step of the scan
  int direction = 0;
  bool first = false;  // no direction before
  int64_t offset = 0;

  HWY_INLINE void StartRun(const Line& line, int64_t r) {
    offset = AheadOffset(line, r, run, step);
  }
  HWY_INLINE void Prefetch(int64_t r, int64_t j) const {
    const int64_t o = r * run + j + offset;
    PrefetchLine(out + o);
    if (winner != nullptr && j % 64 == 0) PrefetchLine(winner + o);
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
      const Winner<D> dw;
      StoreWinner(
          d,
          hn::IfThenElse(hn::RebindMask(dw, take), hn::Set(dw, direction),
                         LoadWinner(d, winner + o)),
          winner + o);
    }
  }
};

// Where the states of one step are kept for the backward pass; null: nowhere.
template <typename T>
struct KeepTarget {
  T* data = nullptr;
  bool stream = false;  // past the caches; all of it is aligned

  template <class D>
  HWY_INLINE void Keep(D d, hn::Vec<D> h, int64_t i) const {
    if (data == nullptr) return;
    if (stream) {
      hn::Stream(h, d, data + i);
    } else {
      hn::StoreU(h, d, data + i);
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
  KeepTarget<T> keep;

  HWY_INLINE void StartRun(int64_t) const {}

  template <bool kBorder, class D>
  HWY_INLINE void Vector(D d, int64_t r, int64_t j) const {
    const auto h = hn::LoadU(d, x.data + r * x.run + j);
    hn::StoreU(h, d, state + r * line.length + j);
    keep.Keep(d, h, r * line.length + j);
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
  KeepTarget<T> keep;
  bool sum_all;
  bool prefetch;                         // needs a target to merge with
  int64_t x_step, gates_step;            // to the next step of the scan
  int64_t x_ahead = 0, gates_ahead = 0;  // set by StartRun

  HWY_INLINE void StartRun(int64_t r) {
    if (!prefetch) return;
    x_ahead = AheadOffset(line, r, x.run, x_step);
    gates_ahead = AheadOffset(line, r, gates.run, gates_step);
    merge.StartRun(line, r);
  }

  template <bool kBorder, class D>
  HWY_INLINE void Vector(D d, int64_t r, int64_t j) const {
    const int64_t i = r * line.length + j;
    const T* gate = gates.data + r * gates.run + j;
    const T* x_from = x.data + r * x.run + j;
    if (prefetch && StartsCacheLine(d, j)) {
      HWY_UNROLL(3)
      for (int k = 0; k < K; ++k) {
        PrefetchLine(gate + gates_ahead + k * gate_block);
      }
      PrefetchLine(x_from + x_ahead);
      merge.Prefetch(r, j);
    }
    const auto x0 = hn::LoadU(d, x_from);
    Gates<K, D> g;
    LoadGates<K, kRule, kBorder>(d, gate, gate_block, line, i, sum_all, g);
    auto h = x0;
    HWY_UNROLL(3)
    for (int k = 0; k < K; ++k) {
      const int64_t offset = K == 3 ? (k - 1) * line.shift : 0;
      const auto from = hn::LoadU(d, previous + i + offset);
      h = hn::MulAdd(g.gate[k], hn::Sub(from, x0), h);
    }
    hn::StoreU(h, d, next + i);
    keep.Keep(d, h, i);
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
  // States of the step before; beyond their ends anything may stand.
  const T* previous;
  const T* products_in;  // K lines of p e of the step after
  T* products_out;
  int64_t products_stride;
  int direction;
  bool replace, sum_all;
  bool stream;  // gates_gradient bypasses the caches; all of it is aligned
  bool prefetch;
  int64_t steps;  // to the next step of the scan back: 1 or -1
  // Set by StartRun.
  int64_t gates_ahead = 0, x_ahead = 0, gradient_ahead = 0, winner_ahead = 0,
          x_gradient_ahead = 0, previous_ahead = 0;

  HWY_INLINE void StartRun(int64_t r) {
    if (kFirstStep || !prefetch) return;
    gates_ahead = Ahead(gates, r);
    x_ahead = Ahead(x, r);
    gradient_ahead = Ahead(gradient, r);
    winner_ahead = Ahead(winner, r);
    x_gradient_ahead = Ahead(x_gradient, r);
    previous_ahead = AheadOffset(line, r, line.length, -line.elements());
  }
  template <typename U>
  HWY_INLINE int64_t Ahead(const Tensor<U>& from, int64_t r) const {
    return AheadOffset(line, r, from.run, steps * from.step);
  }

  template <class D>
  HWY_INLINE void StoreGates(D d, const hn::Vec<D> (&value)[K], int64_t r,
                             int64_t j) const {
    if (gates_gradient.data == nullptr) return;
    T* to = gates_gradient.data + r * gates_gradient.run + j;
    if (stream) {
      HWY_UNROLL(3)
      for (int k = 0; k < K; ++k) {
        hn::Stream(value[k], d, to + k * gates_gradient_block);
      }
    } else {
      HWY_UNROLL(3)
      for (int k = 0; k < K; ++k) {
        hn::StoreU(value[k], d, to + k * gates_gradient_block);
      }
    }
  }

  template <bool kBorder, class D>
  HWY_INLINE void Vector(D d, int64_t r, int64_t j) const {
    const int64_t i = r * line.length + j;
    const T* gate = gates.data + r * gates.run + j;
    const T* x_from = x.data + r * x.run + j;
    const T* gradient_from = gradient.data + r * gradient.run + j;
    const uint8_t* winner_from = winner.data + r * winner.run + j;
    T* dx_to = x_gradient.data + r * x_gradient.run + j;
    if (!kFirstStep && prefetch && StartsCacheLine(d, j)) {
      HWY_UNROLL(3)
      for (int k = 0; k < K; ++k) {
        PrefetchLine(gate + gates_ahead + k * gate_block);
      }
      PrefetchLine(x_from + x_ahead);
      PrefetchLine(gradient_from + gradient_ahead);
      PrefetchLine(previous + i + previous_ahead);
      PrefetchLine(dx_to + x_gradient_ahead);
      if (j % 64 == 0) PrefetchLine(winner_from + winner_ahead);
    }
    // Gradient of h: from out where this direction won, and from later steps.
    // Lane i - k received gate k from here.
    const auto mine = hn::RebindMask(
        d, hn::Eq(LoadWinner(d, winner_from), hn::Set(Winner<D>(), direction)));
    auto e = hn::IfThenElseZero(mine, hn::LoadU(d, gradient_from));
    HWY_UNROLL(3)
    for (int k = 0; k < K; ++k) {
      const int64_t offset = K == 3 ? (1 - k) * line.shift : 0;
      e = hn::Add(e,
                  hn::LoadU(d, products_in + k * products_stride + i + offset));
    }
    hn::Vec<D> dg[K];
    auto dx = e;
    if constexpr (kFirstStep) {
      HWY_UNROLL(3)
      for (int k = 0; k < K; ++k) dg[k] = hn::Zero(d);
    } else {
      Gates<K, D> g;
      LoadGates<K, kRule, kBorder>(d, gate, gate_block, line, i, sum_all, g);
      const auto x0 = hn::LoadU(d, x_from);
      auto sum = g.gate[0];
      HWY_UNROLL(3)
      for (int k = 1; k < K; ++k) sum = hn::Add(sum, g.gate[k]);
      dx = hn::NegMulAdd(sum, e, e);
      HWY_UNROLL(3)
      for (int k = 0; k < K; ++k) {
        const int64_t offset = K == 3 ? (k - 1) * line.shift : 0;
        dg[k] = hn::Sub(hn::LoadU(d, previous + i + offset), x0);
        if constexpr (kBorder && K == 3) {
          dg[k] = hn::IfThenElseZero(g.valid[k], dg[k]);
        }
        hn::StoreU(hn::Mul(g.gate[k], e), d,
                   products_out + k * products_stride + i);
      }
      GateGradient<K, kRule>(d, g, e, dg);
    }
    StoreGates(d, dg, r, j);
    if (!replace) dx = hn::Add(dx, hn::LoadU(d, dx_to));
    hn::StoreU(dx, d, dx_to);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace seg
HWY_AFTER_NAMESPACE();

#endif  // per target
