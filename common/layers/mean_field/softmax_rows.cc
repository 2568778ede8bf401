#include "common/layers/mean_field/softmax_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/layers/mean_field/softmax_rows.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
//
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace mean_field {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// A block of kPixels pixels, one a lane.
constexpr int64_t kPixels = 16;

// exp(x) for x <= 0, error below 1.2e-7 relative (the polynomial of Cephes'
// expf); exactly 0 below -87, so that unused labels never become denormal
// numbers.
template <class D, HWY_IF_LANE_SIZE(hn::TFromD<D>, 4)>
HWY_INLINE hn::Vec<D> ExpNonPositive(D d, hn::Vec<D> x) {
  const hn::RebindToSigned<D> di;
  const auto n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504088896341f)));
  // x - n log 2, log 2 in two parts.
  auto r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  auto y = hn::Set(d, 1.9875691500e-4f);
  y = hn::MulAdd(y, r, hn::Set(d, 1.3981999507e-3f));
  y = hn::MulAdd(y, r, hn::Set(d, 8.3334519073e-3f));
  y = hn::MulAdd(y, r, hn::Set(d, 4.1665795894e-2f));
  y = hn::MulAdd(y, r, hn::Set(d, 1.6666665459e-1f));
  y = hn::MulAdd(y, r, hn::Set(d, 5.0000001201e-1f));
  y = hn::MulAdd(y, hn::Mul(r, r), hn::Add(r, hn::Set(d, 1.0f)));
  const auto exponent = hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127));
  const auto scale = hn::BitCast(d, hn::ShiftLeft<23>(exponent));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.0f)), hn::Mul(y, scale));
}
template <class D, HWY_IF_LANE_SIZE(hn::TFromD<D>, 8)>
HWY_INLINE hn::Vec<D> ExpNonPositive(D d, hn::Vec<D> x) {
  return hn::Exp(d, x);
}

// L = 2 in closed form: q1 = 1 / (1 + exp(l0 - l1)), with the smaller of the
// two computed from exp of a non-positive number.
template <typename T>
HWY_ATTR void Softmax2(int64_t count, T* HWY_RESTRICT rows) {
  const hn::CappedTag<T, kPixels> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto one = hn::Set(d, T(1));
  int64_t p = 0;
  for (; p + lanes <= count; p += lanes, rows += 2 * lanes) {
    hn::Vec<decltype(d)> a, b;
    hn::LoadInterleaved2(d, rows, a, b);
    const auto diff = hn::Sub(b, a);
    const auto e = ExpNonPositive(d, hn::Neg(hn::Abs(diff)));
    const auto large = hn::Div(one, hn::Add(one, e));
    const auto small = hn::Mul(e, large);
    const auto second = hn::Gt(diff, hn::Zero(d));
    hn::StoreInterleaved2(hn::IfThenElse(second, small, large),
                          hn::IfThenElse(second, large, small), d, rows);
  }
  if (p == count) return;
  HWY_ALIGN T rest[2 * kPixels] = {};
  for (int64_t i = 0; i < 2 * (count - p); ++i) rest[i] = rows[i];
  Softmax2(lanes, rest);
  for (int64_t i = 0; i < 2 * (count - p); ++i) rows[i] = rest[i];
}

template <typename T>
HWY_ATTR void Softmax4(int64_t count, T* HWY_RESTRICT rows) {
  const hn::CappedTag<T, kPixels> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto one = hn::Set(d, T(1));
  int64_t p = 0;
  for (; p + lanes <= count; p += lanes, rows += 4 * lanes) {
    hn::Vec<decltype(d)> x0, x1, x2, x3;
    hn::LoadInterleaved4(d, rows, x0, x1, x2, x3);
    const auto top = hn::Max(hn::Max(x0, x1), hn::Max(x2, x3));
    x0 = ExpNonPositive(d, hn::Sub(x0, top));
    x1 = ExpNonPositive(d, hn::Sub(x1, top));
    x2 = ExpNonPositive(d, hn::Sub(x2, top));
    x3 = ExpNonPositive(d, hn::Sub(x3, top));
    const auto scale = hn::Div(one, hn::Add(hn::Add(x0, x1), hn::Add(x2, x3)));
    hn::StoreInterleaved4(hn::Mul(x0, scale), hn::Mul(x1, scale),
                          hn::Mul(x2, scale), hn::Mul(x3, scale), d, rows);
  }
  if (p == count) return;
  HWY_ALIGN T rest[4 * kPixels] = {};
  for (int64_t i = 0; i < 4 * (count - p); ++i) rest[i] = rows[i];
  Softmax4(lanes, rest);
  for (int64_t i = 0; i < 4 * (count - p); ++i) rows[i] = rest[i];
}

// Rows of whole vectors of at most eight numbers. Three passes over kChunk
// pixels: one chain of maximum, exponential, sum and division a pixel would
// wait for its own latency.
constexpr int64_t kChunk = 64;

template <typename T>
HWY_ATTR void SoftmaxChunk(int64_t count, int64_t row, T* HWY_RESTRICT rows) {
  const hn::CappedTag<T, 8> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  HWY_ALIGN T sums[8 * kChunk];
  T tops[kChunk];
  for (int64_t p = 0; p < count; ++p) {
    const T* x = rows + p * row;
    auto top = hn::LoadU(d, x);
    for (int64_t c = lanes; c < row; c += lanes) {
      top = hn::Max(top, hn::LoadU(d, x + c));
    }
    tops[p] = hn::GetLane(hn::MaxOfLanes(d, top));
  }
  for (int64_t p = 0; p < count; ++p) {
    T* x = rows + p * row;
    const auto top = hn::Set(d, tops[p]);
    auto sum = hn::Zero(d);
    for (int64_t c = 0; c < row; c += lanes) {
      const auto e = ExpNonPositive(d, hn::Sub(hn::LoadU(d, x + c), top));
      hn::StoreU(e, d, x + c);
      sum = hn::Add(sum, e);
    }
    hn::StoreU(sum, d, sums + p * lanes);
  }
  for (int64_t p = 0; p < count; ++p) {
    T* x = rows + p * row;
    const auto sum = hn::SumOfLanes(d, hn::LoadU(d, sums + p * lanes));
    const auto scale = hn::Div(hn::Set(d, T(1)), sum);
    for (int64_t c = 0; c < row; c += lanes) {
      hn::StoreU(hn::Mul(hn::LoadU(d, x + c), scale), d, x + c);
    }
  }
}

template <typename T>
HWY_ATTR void SoftmaxLong(int64_t count, int64_t row, T* rows) {
  for (int64_t p = 0; p < count; p += kChunk) {
    SoftmaxChunk(count - p < kChunk ? count - p : kChunk, row, rows + p * row);
  }
}

template <typename T>
HWY_ATTR void SoftmaxT(int64_t count, int64_t row, T* rows) {
  switch (row) {
    case 1:
      for (int64_t p = 0; p < count; ++p) rows[p] = 1;
      return;
    case 2:
      return Softmax2(count, rows);
    case 4:
      return Softmax4(count, rows);
    default:
      return SoftmaxLong(count, row, rows);
  }
}

void SoftmaxFloat(int64_t count, int64_t row, float* rows) {
  SoftmaxT(count, row, rows);
}
void SoftmaxDouble(int64_t count, int64_t row, double* rows) {
  SoftmaxT(count, row, rows);
}

}  // namespace HWY_NAMESPACE
}  // namespace mean_field
}  // namespace seg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seg {
namespace mean_field {

HWY_EXPORT(SoftmaxFloat);
HWY_EXPORT(SoftmaxDouble);

template <>
void SoftmaxRows(int64_t count, int64_t row, float* rows) {
  HWY_DYNAMIC_DISPATCH(SoftmaxFloat)(count, row, rows);
}
template <>
void SoftmaxRows(int64_t count, int64_t row, double* rows) {
  HWY_DYNAMIC_DISPATCH(SoftmaxDouble)(count, row, rows);
}

}  // namespace mean_field
}  // namespace seg
#endif  // HWY_ONCE
