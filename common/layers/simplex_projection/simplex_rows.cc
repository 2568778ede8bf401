#include "common/layers/simplex_projection/simplex_rows.h"

#include <cstdint>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/layers/simplex_projection/simplex_rows.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace simplex {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Vectors of pixels solved together.
constexpr int kUnroll = 4;

// sum + x where active, else sum: one instruction with AVX-512.
template <class M, class V>
HWY_INLINE V AddWhere(M active, V sum, V x) {
#if HWY_TARGET <= HWY_AVX3
  return hn::IfThenElse(active, hn::Add(sum, x), sum);
#else
  return hn::Add(sum, hn::IfThenElseZero(active, x));
#endif
}

// Upper limit of the labels, made NaN where a label is NaN (Max may drop NaN)
// or where the limit is infinite.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V LargestOrNan(D d, V largest, V poison) {
  return hn::Add(hn::Add(largest, poison), hn::Sub(largest, largest));
}

// y of one entry; x is relative to the same origin as tau. x <= tau is false
// for NaN, so NaN takes the first branch.
template <bool kLeaky, class D, class V = hn::Vec<D>>
HWY_INLINE V Output(D d, V x, V tau, V leak) {
  const auto inactive = hn::Le(x, tau);
  const V y = hn::Sub(x, tau);
  return kLeaky ? hn::IfThenElse(inactive, hn::Mul(leak, y), y)
                : hn::IfThenZeroElse(inactive, y);
}

// Two labels: with m the larger one and e = other - m <= 0, tau - m is -1 or
// (e - 1) / 2, whichever is larger.
template <bool kStep, bool kLeaky, class D, typename T = hn::TFromD<D>>
HWY_INLINE void ProjectPair(D d, const Rows<T>& rows, int64_t p, T step,
                            T leak) {
  using V = hn::Vec<D>;
  V a = hn::LoadU(d, rows.x + p);
  V b = hn::LoadU(d, rows.x + p + rows.x_row);
  if (kStep) {
    const V by = hn::Set(d, step);
    a = hn::NegMulAdd(by, hn::LoadU(d, rows.gradient + p), a);
    b = hn::NegMulAdd(by, hn::LoadU(d, rows.gradient + p + rows.gradient_row),
                      b);
  }
  V poison = hn::IfThenZeroElse(hn::Eq(a, a), a);
  poison = hn::IfThenElse(hn::Eq(b, b), poison, b);
  const V largest = LargestOrNan(d, hn::Max(a, b), poison);
  a = hn::Sub(a, largest);
  b = hn::Sub(b, largest);
  const V minus_one = hn::Set(d, T(-1));
  const V tau =
      hn::Max(hn::Mul(hn::Set(d, T(0.5)), hn::Add(hn::Add(a, b), minus_one)),
              minus_one);
  const V alpha = hn::Set(d, leak);
  hn::StoreU(Output<kLeaky>(d, a, tau, alpha), d, rows.y + p);
  hn::StoreU(Output<kLeaky>(d, b, tau, alpha), d, rows.y + p + rows.y_row);
}

// Any number of labels, kVectors vectors of pixels: independent chains hide the
// latency of additions and divisions. scratch: labels * kVectors vectors.
template <int kVectors, bool kStep, bool kLeaky, class D,
          typename T = hn::TFromD<D>>
HWY_INLINE void ProjectColumns(D d, const Rows<T>& rows, int64_t p,
                               int64_t labels, T step, T leak,
                               T* HWY_RESTRICT scratch) {
  using V = hn::Vec<D>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t row = kVectors * lanes;
  const V one = hn::Set(d, T(1));
  const V by = hn::Set(d, step);

  V largest[kVectors], second[kVectors], poison[kVectors];
  HWY_UNROLL(4)
  for (int u = 0; u < kVectors; ++u) {
    largest[u] = hn::Set(d, -std::numeric_limits<T>::infinity());
    second[u] = largest[u];
    poison[u] = hn::Zero(d);
  }
  for (int64_t l = 0; l < labels; ++l) {
    HWY_UNROLL(4)
    for (int u = 0; u < kVectors; ++u) {
      V x = hn::LoadU(d, rows.x + l * rows.x_row + p + u * lanes);
      if (kStep) {
        x = hn::NegMulAdd(
            by,
            hn::LoadU(d, rows.gradient + l * rows.gradient_row + p + u * lanes),
            x);
      }
      hn::Store(x, d, scratch + l * row + u * lanes);
      second[u] = hn::Max(second[u], hn::Min(largest[u], x));
      largest[u] = hn::Max(largest[u], x);
      poison[u] = hn::IfThenElse(hn::Eq(x, x), poison[u], x);
    }
  }
  // From here on x is the difference to the largest label, so that sums stay
  // small. The threshold of any subset of labels is a lower bound of tau: start
  // from the better one of the largest label alone and of the largest two.
  V tau[kVectors], sum[kVectors], count[kVectors];
  HWY_UNROLL(4)
  for (int u = 0; u < kVectors; ++u) {
    largest[u] = LargestOrNan(d, largest[u], poison[u]);
    tau[u] = hn::Max(hn::Neg(one),
                     hn::Mul(hn::Set(d, T(0.5)),
                             hn::Sub(hn::Sub(second[u], largest[u]), one)));
    sum[u] = count[u] = hn::Zero(d);
  }
  for (int64_t l = 0; l < labels; ++l) {
    HWY_UNROLL(4)
    for (int u = 0; u < kVectors; ++u) {
      T* HWY_RESTRICT at = scratch + l * row + u * lanes;
      const V x = hn::Sub(hn::Load(d, at), largest[u]);
      hn::Store(x, d, at);
      const auto active = hn::Gt(x, tau[u]);
      sum[u] = AddWhere(active, sum[u], x);
      count[u] = AddWhere(active, count[u], one);
    }
  }
  // Newton steps on sum_l max(x_l - tau, 0) = 1 from the left: the active set
  // shrinks, so equal counts mean equal sets and there are at most `labels`
  // different ones. A NaN pixel has count 0 and any tau.
  for (int64_t round = 1; round < labels; ++round) {
    V old[kVectors];
    HWY_UNROLL(4)
    for (int u = 0; u < kVectors; ++u) {
      tau[u] = hn::Div(hn::Sub(sum[u], one), count[u]);
      old[u] = count[u];
      sum[u] = count[u] = hn::Zero(d);
    }
    for (int64_t l = 0; l < labels; ++l) {
      HWY_UNROLL(4)
      for (int u = 0; u < kVectors; ++u) {
        const V x = hn::Load(d, scratch + l * row + u * lanes);
        const auto active = hn::Gt(x, tau[u]);
        sum[u] = AddWhere(active, sum[u], x);
        count[u] = AddWhere(active, count[u], one);
      }
    }
    auto same = hn::Eq(old[0], count[0]);
    HWY_UNROLL(4)
    for (int u = 1; u < kVectors; ++u) {
      same = hn::And(same, hn::Eq(old[u], count[u]));
    }
    if (hn::AllTrue(d, same)) break;
  }
  HWY_UNROLL(4)
  for (int u = 0; u < kVectors; ++u) {
    tau[u] = hn::Div(hn::Sub(sum[u], one), count[u]);
  }
  const V alpha = hn::Set(d, leak);
  for (int64_t l = 0; l < labels; ++l) {
    HWY_UNROLL(4)
    for (int u = 0; u < kVectors; ++u) {
      const V x = hn::Load(d, scratch + l * row + u * lanes);
      hn::StoreU(Output<kLeaky>(d, x, tau[u], alpha), d,
                 rows.y + l * rows.y_row + p + u * lanes);
    }
  }
}

// kVectors vectors of pixels of r = J^T g: r_l = s_l g_l - [l active] mean,
// where mean = sum_l s_l g_l / K. rows.x is y, rows.gradient is g, rows.y is r.
template <int kVectors, bool kLeaky, class D, typename T = hn::TFromD<D>>
HWY_INLINE void BackwardColumns(D d, const Rows<T>& rows, int64_t p,
                                int64_t labels, T leak) {
  using V = hn::Vec<D>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const V zero = hn::Zero(d), one = hn::Set(d, T(1));
  const V alpha = hn::Set(d, leak);
  V sum[kVectors], count[kVectors];
  HWY_UNROLL(4)
  for (int u = 0; u < kVectors; ++u) sum[u] = count[u] = zero;
  for (int64_t l = 0; l < labels; ++l) {
    HWY_UNROLL(4)
    for (int u = 0; u < kVectors; ++u) {
      const int64_t at = p + u * lanes;
      const auto active =
          hn::Gt(hn::LoadU(d, rows.x + l * rows.x_row + at), zero);
      const V g = hn::LoadU(d, rows.gradient + l * rows.gradient_row + at);
      count[u] = hn::Add(count[u], hn::IfThenElseZero(active, one));
      sum[u] =
          kLeaky ? hn::Add(sum[u], hn::IfThenElse(active, g, hn::Mul(alpha, g)))
                 : hn::Add(sum[u], hn::IfThenElseZero(active, g));
    }
  }
  // No active entry: the pixel was NaN, and so is its gradient.
  V mean[kVectors], poison[kVectors];
  HWY_UNROLL(4)
  for (int u = 0; u < kVectors; ++u) {
    mean[u] = hn::Div(sum[u], count[u]);
    poison[u] =
        hn::IfThenElseZero(hn::Eq(count[u], zero),
                           hn::Set(d, std::numeric_limits<T>::quiet_NaN()));
  }
  for (int64_t l = 0; l < labels; ++l) {
    HWY_UNROLL(4)
    for (int u = 0; u < kVectors; ++u) {
      const int64_t at = p + u * lanes;
      const auto active =
          hn::Gt(hn::LoadU(d, rows.x + l * rows.x_row + at), zero);
      const V g = hn::LoadU(d, rows.gradient + l * rows.gradient_row + at);
      const V rest = kLeaky ? hn::MulAdd(alpha, g, poison[u]) : poison[u];
      hn::StoreU(hn::IfThenElse(active, hn::Sub(g, mean[u]), rest), d,
                 rows.y + l * rows.y_row + at);
    }
  }
}

template <bool kStep, bool kLeaky, typename T>
void ForwardGroups(const Rows<T>& rows, int64_t labels, int64_t pixels, T step,
                   T leak, T* scratch) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t p = 0;
  if (labels == 2) {
    for (; p < pixels; p += lanes) {
      ProjectPair<kStep, kLeaky>(d, rows, p, step, leak);
    }
    return;
  }
  for (; p + kUnroll * lanes <= pixels; p += kUnroll * lanes) {
    ProjectColumns<kUnroll, kStep, kLeaky>(d, rows, p, labels, step, leak,
                                           scratch);
  }
  for (; p < pixels; p += lanes) {
    ProjectColumns<1, kStep, kLeaky>(d, rows, p, labels, step, leak, scratch);
  }
}

template <typename T>
void Forward(const Rows<T>& rows, int64_t labels, int64_t pixels, T step,
             T leak, T* scratch) {
  if (rows.gradient != nullptr) {
    if (leak == T(0)) {
      ForwardGroups<true, false>(rows, labels, pixels, step, leak, scratch);
    } else {
      ForwardGroups<true, true>(rows, labels, pixels, step, leak, scratch);
    }
  } else if (leak == T(0)) {
    ForwardGroups<false, false>(rows, labels, pixels, step, leak, scratch);
  } else {
    ForwardGroups<false, true>(rows, labels, pixels, step, leak, scratch);
  }
}

template <bool kLeaky, typename T>
void BackwardGroups(const Rows<T>& rows, int64_t labels, int64_t pixels,
                    T leak) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t p = 0;
  for (; p + kUnroll * lanes <= pixels; p += kUnroll * lanes) {
    BackwardColumns<kUnroll, kLeaky>(d, rows, p, labels, leak);
  }
  for (; p < pixels; p += lanes) {
    BackwardColumns<1, kLeaky>(d, rows, p, labels, leak);
  }
}

template <typename T>
void Backward(const Rows<T>& rows, int64_t labels, int64_t pixels, T leak) {
  if (leak == T(0)) {
    BackwardGroups<false>(rows, labels, pixels, leak);
  } else {
    BackwardGroups<true>(rows, labels, pixels, leak);
  }
}

// Not templates: what HWY_EXPORT takes.
int64_t FloatLanes() {
  return static_cast<int64_t>(hn::Lanes(hn::ScalableTag<float>()));
}
int64_t DoubleLanes() {
  return static_cast<int64_t>(hn::Lanes(hn::ScalableTag<double>()));
}
int64_t FloatScratch(int64_t labels) { return labels * kUnroll * FloatLanes(); }
int64_t DoubleScratch(int64_t labels) {
  return labels * kUnroll * DoubleLanes();
}
void ForwardFloat(const Rows<float>& rows, int64_t labels, int64_t pixels,
                  float step, float leak, float* scratch) {
  Forward(rows, labels, pixels, step, leak, scratch);
}
void ForwardDouble(const Rows<double>& rows, int64_t labels, int64_t pixels,
                   double step, double leak, double* scratch) {
  Forward(rows, labels, pixels, step, leak, scratch);
}
void BackwardFloat(const Rows<float>& rows, int64_t labels, int64_t pixels,
                   float leak) {
  Backward(rows, labels, pixels, leak);
}
void BackwardDouble(const Rows<double>& rows, int64_t labels, int64_t pixels,
                    double leak) {
  Backward(rows, labels, pixels, leak);
}

}  // namespace HWY_NAMESPACE
}  // namespace simplex
}  // namespace seg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seg {
namespace simplex {

HWY_EXPORT(FloatLanes);
HWY_EXPORT(DoubleLanes);
HWY_EXPORT(FloatScratch);
HWY_EXPORT(DoubleScratch);
HWY_EXPORT(ForwardFloat);
HWY_EXPORT(ForwardDouble);
HWY_EXPORT(BackwardFloat);
HWY_EXPORT(BackwardDouble);

template <>
int64_t VectorLanes<float>() {
  return HWY_DYNAMIC_DISPATCH(FloatLanes)();
}
template <>
int64_t VectorLanes<double>() {
  return HWY_DYNAMIC_DISPATCH(DoubleLanes)();
}

template <>
int64_t ScratchSize<float>(int64_t labels) {
  return HWY_DYNAMIC_DISPATCH(FloatScratch)(labels);
}
template <>
int64_t ScratchSize<double>(int64_t labels) {
  return HWY_DYNAMIC_DISPATCH(DoubleScratch)(labels);
}

void ProjectRows(const Rows<float>& rows, int64_t labels, int64_t pixels,
                 float step, float leak, float* scratch) {
  HWY_DYNAMIC_DISPATCH(ForwardFloat)
  (rows, labels, pixels, step, leak, scratch);
}
void ProjectRows(const Rows<double>& rows, int64_t labels, int64_t pixels,
                 double step, double leak, double* scratch) {
  HWY_DYNAMIC_DISPATCH(ForwardDouble)
  (rows, labels, pixels, step, leak, scratch);
}

void BackwardRows(const Rows<float>& rows, int64_t labels, int64_t pixels,
                  float leak) {
  HWY_DYNAMIC_DISPATCH(BackwardFloat)(rows, labels, pixels, leak);
}
void BackwardRows(const Rows<double>& rows, int64_t labels, int64_t pixels,
                  double leak) {
  HWY_DYNAMIC_DISPATCH(BackwardDouble)(rows, labels, pixels, leak);
}

}  // namespace simplex
}  // namespace seg
#endif  // HWY_ONCE
