// The rules of gate_normalization.h on vectors: gates of a scan from raw ones,
// and the gradient back. Included once a target (hwy/foreach_target.h).

// clang-format off
#if defined(COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_GATES_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_GATES_INL_H_
#undef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_GATES_INL_H_
#else
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_GATES_INL_H_
#endif
// clang-format on

#include <algorithm>
#include <cstdint>

#include "common/layers/spatial_propagation/gate_normalization.h"
#include "common/layers/spatial_propagation/spatial_propagation_scan.h"
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using spatial_propagation::Line;

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
  HWY_UNROLL(3)
  for (int k = 0; k < K; ++k) g.raw[k] = hn::LoadU(d, from + k * block);
  if constexpr (kBorder && K == 3) {
    const int64_t before = std::clamp<int64_t>(line.shift - e, 0, lanes);
    const int64_t inside =
        std::clamp<int64_t>(line.elements() - line.shift - e, 0, lanes);
    g.valid[0] = hn::Not(hn::FirstN(d, static_cast<size_t>(before)));
    g.valid[1] = hn::FirstN(d, static_cast<size_t>(lanes));
    g.valid[2] = hn::FirstN(d, static_cast<size_t>(inside));
    if (!sum_all) {
      HWY_UNROLL(3)
      for (int k = 0; k < K; ++k) {
        g.raw[k] = hn::IfThenElseZero(g.valid[k], g.raw[k]);
      }
    }
  }
  if constexpr (kRule == GateNormalization::kTanh) {
    HWY_UNROLL(3)
    for (int k = 0; k < K; ++k) {
      const auto tanh = hn::Tanh(d, g.raw[k]);
      g.raw[k] = hn::IfThenElse(hn::IsNaN(g.raw[k]), g.raw[k], tanh);
    }
  }
  if constexpr (kRule == GateNormalization::kNone ||
                (kRule == GateNormalization::kTanh && K == 1)) {
    HWY_UNROLL(3)
    for (int k = 0; k < K; ++k) g.gate[k] = g.raw[k];
  } else {
    auto sum = hn::Abs(g.raw[0]);
    HWY_UNROLL(3)
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
    HWY_UNROLL(3)
    for (int k = 0; k < K; ++k) g.gate[k] = hn::Mul(g.raw[k], g.inverse);
  }
  if constexpr (kBorder && K == 3) {
    if (sum_all) {
      HWY_UNROLL(3)
      for (int k = 0; k < K; ++k) {
        g.gate[k] = hn::IfThenElseZero(g.valid[k], g.gate[k]);
      }
    }
  }
}

// d raw, in place of h[i+k] - x, zero where the gate is unused; d p is e times
// that. The sums do without e, which comes last.
template <int K, GateNormalization kRule, class D>
HWY_INLINE void GateGradient(D d, const Gates<K, D>& g, hn::Vec<D> e,
                             hn::Vec<D> (&dg)[K]) {
  using T = hn::TFromD<D>;
  if constexpr (kRule != GateNormalization::kNone &&
                !(kRule == GateNormalization::kTanh && K == 1)) {
    // raw * inverse serves for p: they differ where dg is zero.
    auto dot = hn::Mul(dg[0], hn::Mul(g.raw[0], g.inverse));
    HWY_UNROLL(3)
    for (int k = 1; k < K; ++k) {
      dot = hn::MulAdd(dg[k], hn::Mul(g.raw[k], g.inverse), dot);
    }
    if constexpr (kRule != GateNormalization::kDividePlus) {
      dot = hn::IfThenElseZero(g.divided, dot);
    }
    e = hn::Mul(e, g.inverse);
    HWY_UNROLL(3)
    for (int k = 0; k < K; ++k) {
      const auto signed_dot =
          hn::IfThenZeroElse(hn::Eq(g.raw[k], hn::Zero(d)),
                             hn::Xor(dot, hn::And(g.raw[k], hn::SignBit(d))));
      dg[k] = hn::Sub(dg[k], signed_dot);
    }
  }
  HWY_UNROLL(3)
  for (int k = 0; k < K; ++k) dg[k] = hn::Mul(dg[k], e);
  if constexpr (kRule == GateNormalization::kTanh) {
    const auto one = hn::Set(d, T(1));
    HWY_UNROLL(3)
    for (int k = 0; k < K; ++k) {
      dg[k] = hn::Mul(dg[k], hn::NegMulAdd(g.raw[k], g.raw[k], one));
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace seg
HWY_AFTER_NAMESPACE();

#endif  // per target
