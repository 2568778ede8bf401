#include "common/solvers/feature_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/solvers/feature_rows.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Doubles = hn::ScalableTag<double>;

HWY_INLINE hn::Vec<Doubles> LoadDoubles(Doubles d, const float* x) {
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<float, Doubles>(), x));
}

HWY_INLINE hn::Vec<Doubles> LoadDoubles(Doubles d, const double* x) {
  return hn::LoadU(d, x);
}

// Four sums side by side: a chain of additions would wait for each one.
template <typename T>
HWY_INLINE double DotT(const float* HWY_RESTRICT x, const T* HWY_RESTRICT w,
                       int64_t size) {
  const Doubles d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto sum0 = hn::Zero(d), sum1 = hn::Zero(d);
  auto sum2 = hn::Zero(d), sum3 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 4 * lanes <= size; i += 4 * lanes) {
    const int64_t j = i + lanes, k = j + lanes, l = k + lanes;
    sum0 = hn::MulAdd(LoadDoubles(d, x + i), LoadDoubles(d, w + i), sum0);
    sum1 = hn::MulAdd(LoadDoubles(d, x + j), LoadDoubles(d, w + j), sum1);
    sum2 = hn::MulAdd(LoadDoubles(d, x + k), LoadDoubles(d, w + k), sum2);
    sum3 = hn::MulAdd(LoadDoubles(d, x + l), LoadDoubles(d, w + l), sum3);
  }
  for (; i + lanes <= size; i += lanes) {
    sum0 = hn::MulAdd(LoadDoubles(d, x + i), LoadDoubles(d, w + i), sum0);
  }
  const auto sum = hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3));
  double total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < size; ++i) total += double{x[i]} * double{w[i]};
  return total;
}

double DotDouble(const float* x, const double* w, int64_t size) {
  return DotT(x, w, size);
}

double DotFloat(const float* x, const float* w, int64_t size) {
  return DotT(x, w, size);
}

void AddScaled(double scale, const float* HWY_RESTRICT x, int64_t size,
               double* HWY_RESTRICT w) {
  const Doubles d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto factor = hn::Set(d, scale);
  int64_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    hn::StoreU(hn::MulAdd(factor, LoadDoubles(d, x + i), hn::LoadU(d, w + i)),
               d, w + i);
  }
  for (; i < size; ++i) w[i] += scale * double{x[i]};
}

}  // namespace HWY_NAMESPACE
}  // namespace seg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seg {

HWY_EXPORT(DotDouble);
HWY_EXPORT(DotFloat);
HWY_EXPORT(AddScaled);

double Dot(const float* x, const double* w, int64_t size) {
  return HWY_DYNAMIC_DISPATCH(DotDouble)(x, w, size);
}

double Dot(const float* x, const float* w, int64_t size) {
  return HWY_DYNAMIC_DISPATCH(DotFloat)(x, w, size);
}

void AddScaled(double scale, const float* x, int64_t size, double* w) {
  HWY_DYNAMIC_DISPATCH(AddScaled)(scale, x, size, w);
}

}  // namespace seg
#endif  // HWY_ONCE
