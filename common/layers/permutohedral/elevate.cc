// Compiled with -ffp-contract=off: the order of roundings is that of the
// reference (densecrf), because rank decisions are discontinuous.
#include "common/layers/permutohedral/elevate.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/layers/permutohedral/elevate.cc"
// Three targets are enough: the baseline, AVX2 and AVX-512.
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace permutohedral {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Elevated coordinates of the lanes at `c`, into rows of `out`.
template <class D, typename T>
HWY_ATTR void Elevate(D d, const T* HWY_RESTRICT features, int64_t dim,
                      const T* HWY_RESTRICT scale, T* HWY_RESTRICT out) {
  auto sum = hn::Zero(d);
  for (int64_t j = dim; j > 0; --j) {
    const auto cf = hn::Mul(hn::LoadU(d, features + (j - 1) * kBlock),
                            hn::Set(d, scale[j - 1]));
    const auto scaled = hn::Mul(hn::Set(d, static_cast<T>(j)), cf);
    hn::StoreU(hn::Sub(sum, scaled), d, out + j * kBlock);
    sum = hn::Add(sum, cf);
  }
  hn::StoreU(sum, d, out);
}

template <typename T>
HWY_ATTR bool ElevateT(const T* features, int64_t dim, const T* scale,
                       T* quotient, T* rank, T* weights, T* max_quotient) {
  const hn::CappedTag<T, kBlock> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto one = hn::Set(d, T(1));
  const auto corners = hn::Set(d, static_cast<T>(dim + 1));
  const auto inverse = hn::Set(d, T(1) / static_cast<T>(dim + 1));
  const auto last = hn::Set(d, static_cast<T>(dim));
  const auto limit = hn::Set(d, static_cast<T>(kMaxQuotient));
  auto largest = hn::Zero(d);
  bool ok = true;
  for (int64_t c = 0; c < kBlock; c += lanes) {
    T* HWY_RESTRICT diff = weights + c;  // y - v until the weights replace it
    T* HWY_RESTRICT q = quotient + c;
    T* HWY_RESTRICT rk = rank + c;
    Elevate(d, features + c, dim, scale, diff);
    auto sum = hn::Zero(d);
    for (int64_t i = 0; i <= dim; ++i) {
      const auto y = hn::LoadU(d, diff + i * kBlock);
      const auto rounded = hn::Round(hn::Mul(y, inverse));
      ok = ok && hn::AllTrue(d, hn::Le(hn::Abs(rounded), limit));
      hn::StoreU(rounded, d, q + i * kBlock);
      hn::StoreU(hn::Sub(y, hn::Mul(rounded, corners)), d, diff + i * kBlock);
      sum = hn::Add(sum, rounded);
      hn::StoreU(hn::Zero(d), d, rk + i * kBlock);
    }
    if (!ok) return false;
    for (int64_t i = 0; i < dim; ++i) {
      const auto di = hn::LoadU(d, diff + i * kBlock);
      auto ri = hn::LoadU(d, rk + i * kBlock);
      for (int64_t j = i + 1; j <= dim; ++j) {
        const auto less = hn::Lt(di, hn::LoadU(d, diff + j * kBlock));
        const auto rj = hn::LoadU(d, rk + j * kBlock);
        ri = hn::Add(ri, hn::IfThenElseZero(less, one));
        hn::StoreU(hn::Add(rj, hn::IfThenZeroElse(less, one)), d,
                   rk + j * kBlock);
      }
      hn::StoreU(ri, d, rk + i * kBlock);
    }
    // Move to the remainder-0 point whose coordinates sum to zero. The weights
    // use the unmoved rounding plus the move, i.e. y - v of the final v.
    for (int64_t i = 0; i <= dim; ++i) {
      auto r = hn::Add(hn::LoadU(d, rk + i * kBlock), sum);
      auto v = hn::LoadU(d, q + i * kBlock);
      auto w = hn::LoadU(d, diff + i * kBlock);
      const auto low = hn::Lt(r, hn::Zero(d));
      const auto high = hn::Gt(r, last);
      const auto up = hn::IfThenElseZero(low, one);
      const auto down = hn::IfThenElseZero(high, one);
      const auto move = hn::Sub(up, down);
      r = hn::Add(r, hn::Mul(move, corners));
      v = hn::Add(v, move);
      w = hn::Mul(hn::Sub(w, hn::Mul(move, corners)), inverse);
      hn::StoreU(r, d, rk + i * kBlock);
      hn::StoreU(v, d, q + i * kBlock);
      hn::StoreU(w, d, diff + i * kBlock);
      largest = hn::Max(largest, hn::Abs(v));
    }
    // s_k = the difference of rank k; b_r = s_{d-r} - s_{d+1-r}, b_0 = 1 + s_d
    // - s_0. Sorted through registers one rank at a time.
    HWY_ALIGN T sorted[(kMaxDim + 1) * kBlock];
    for (int64_t k = 0; k <= dim; ++k) {
      const auto kk = hn::Set(d, static_cast<T>(k));
      auto s = hn::Zero(d);
      for (int64_t i = 0; i <= dim; ++i) {
        const auto here = hn::Eq(hn::LoadU(d, rk + i * kBlock), kk);
        s = hn::Add(s,
                    hn::IfThenElseZero(here, hn::LoadU(d, diff + i * kBlock)));
      }
      hn::StoreU(s, d, sorted + k * kBlock);
    }
    for (int64_t r = 1; r <= dim; ++r) {
      hn::StoreU(hn::Sub(hn::LoadU(d, sorted + (dim - r) * kBlock),
                         hn::LoadU(d, sorted + (dim + 1 - r) * kBlock)),
                 d, diff + r * kBlock);
    }
    hn::StoreU(hn::Add(hn::LoadU(d, sorted + dim * kBlock),
                       hn::Sub(one, hn::LoadU(d, sorted))),
               d, diff);
  }
  const T top = hn::GetLane(hn::MaxOfLanes(d, largest));
  if (top > *max_quotient) *max_quotient = top;
  return true;
}

// Eight or fewer quotients (or ranks) as 64-bit integers.
template <class DI>
HWY_ATTR hn::Vec<DI> LoadInt(DI di, const float* p) {
  const hn::Rebind<float, DI> df;
  const hn::Rebind<int32_t, DI> dh;
  return hn::PromoteTo(di, hn::ConvertTo(dh, hn::LoadU(df, p)));
}
template <class DI>
HWY_ATTR hn::Vec<DI> LoadInt(DI di, const double* p) {
  const hn::Rebind<double, DI> df;
  return hn::ConvertTo(di, hn::LoadU(df, p));
}

template <typename T>
HWY_ATTR void PackT(const T* quotient, const T* rank, const KeyLayout& layout,
                    uint64_t* keys) {
  const hn::CappedTag<int64_t, kBlock> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t dim = layout.dim;
  const auto bias = hn::Set(d, layout.bias);
  for (int64_t c = 0; c < kBlock; c += lanes) {
    auto key = hn::Zero(d);
    for (int64_t i = 0; i < dim; ++i) {
      const auto q = hn::Add(LoadInt(d, quotient + i * kBlock + c), bias);
      key = hn::Add(key, hn::ShiftLeftSame(q, layout.Shift(i)));
    }
    hn::StoreU(hn::BitCast(du, key), du, keys + c);
    // From remainder r-1 to r the quotient of the axis of rank d+1-r drops.
    for (int64_t r = 1; r <= dim; ++r) {
      const auto dropped = hn::Set(d, dim + 1 - r);
      key = hn::Add(key, hn::Set(d, int64_t{1}));
      for (int64_t i = 0; i < dim; ++i) {
        const auto here = hn::Eq(LoadInt(d, rank + i * kBlock + c), dropped);
        key =
            hn::Sub(key, hn::IfThenElseZero(
                             here, hn::Set(d, int64_t{1} << layout.Shift(i))));
      }
      hn::StoreU(hn::BitCast(du, key), du, keys + r * kBlock + c);
    }
  }
}

bool ElevateFloat(const float* f, int64_t dim, const float* scale, float* q,
                  float* rank, float* w, float* top) {
  return ElevateT(f, dim, scale, q, rank, w, top);
}
bool ElevateDouble(const double* f, int64_t dim, const double* scale, double* q,
                   double* rank, double* w, double* top) {
  return ElevateT(f, dim, scale, q, rank, w, top);
}
void PackFloat(const float* q, const float* rank, const KeyLayout& layout,
               uint64_t* keys) {
  PackT(q, rank, layout, keys);
}
void PackDouble(const double* q, const double* rank, const KeyLayout& layout,
                uint64_t* keys) {
  PackT(q, rank, layout, keys);
}

}  // namespace HWY_NAMESPACE
}  // namespace permutohedral
}  // namespace seg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seg {
namespace permutohedral {

HWY_EXPORT(ElevateFloat);
HWY_EXPORT(ElevateDouble);
HWY_EXPORT(PackFloat);
HWY_EXPORT(PackDouble);

KeyLayout::KeyLayout(int64_t dim) : dim(dim), remainder_bits(1) {
  while ((int64_t{1} << remainder_bits) <= dim) ++remainder_bits;
  field_bits = static_cast<int>((63 - remainder_bits) / dim);
  if (field_bits > 31) field_bits = 31;
  bias = field_bits < 3 ? 0 : int64_t{1} << (field_bits - 1);
}

template <typename T>
void LatticeScale(int64_t dim, T* scale) {
  const double deviation = std::sqrt(2.0 / 3.0) * static_cast<double>(dim + 1);
  for (int64_t j = 1; j <= dim; ++j) {
    scale[j - 1] =
        static_cast<T>(deviation / std::sqrt(static_cast<double>(j) * (j + 1)));
  }
}
template void LatticeScale(int64_t dim, float* scale);
template void LatticeScale(int64_t dim, double* scale);

bool ElevateBlock(const float* features, int64_t dim, const float* scale,
                  float* quotient, float* rank, float* weights,
                  float* max_quotient) {
  return HWY_DYNAMIC_DISPATCH(ElevateFloat)(features, dim, scale, quotient,
                                            rank, weights, max_quotient);
}
bool ElevateBlock(const double* features, int64_t dim, const double* scale,
                  double* quotient, double* rank, double* weights,
                  double* max_quotient) {
  return HWY_DYNAMIC_DISPATCH(ElevateDouble)(features, dim, scale, quotient,
                                             rank, weights, max_quotient);
}
void PackBlock(const float* quotient, const float* rank,
               const KeyLayout& layout, uint64_t* keys) {
  HWY_DYNAMIC_DISPATCH(PackFloat)(quotient, rank, layout, keys);
}
void PackBlock(const double* quotient, const double* rank,
               const KeyLayout& layout, uint64_t* keys) {
  HWY_DYNAMIC_DISPATCH(PackDouble)(quotient, rank, layout, keys);
}

}  // namespace permutohedral
}  // namespace seg
#endif  // HWY_ONCE
