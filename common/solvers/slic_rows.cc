#include "common/solvers/slic_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/solvers/slic_rows.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

void TakeNearerT(const float* const colour[3], const float centre[3],
                 const float* HWY_RESTRICT dx, float dy2, float space,
                 int32_t k, int64_t count, float* HWY_RESTRICT distance,
                 int32_t* HWY_RESTRICT label) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto centre_l = hn::Set(d, centre[0]);
  const auto centre_a = hn::Set(d, centre[1]);
  const auto centre_b = hn::Set(d, centre[2]);
  const auto across = hn::Set(d, dy2);
  const auto weight = hn::Set(d, space);
  const auto number = hn::Set(di, k);
  const auto square = [](auto v) HWY_ATTR { return hn::Mul(v, v); };
  for (int64_t i = 0; i < count; i += lanes) {
    const auto l = hn::Sub(hn::LoadU(d, colour[0] + i), centre_l);
    const auto a = hn::Sub(hn::LoadU(d, colour[1] + i), centre_a);
    const auto b = hn::Sub(hn::LoadU(d, colour[2] + i), centre_b);
    const auto in_space = hn::Add(across, square(hn::LoadU(d, dx + i)));
    const auto found =
        hn::Add(hn::Add(hn::Add(square(l), square(a)), square(b)),
                hn::Mul(weight, in_space));
    const auto best = hn::LoadU(d, distance + i);
    const auto nearer = hn::And(hn::Lt(found, best),
                                hn::FirstN(d, static_cast<size_t>(count - i)));
    hn::StoreU(hn::IfThenElse(nearer, found, best), d, distance + i);
    hn::StoreU(hn::IfThenElse(hn::RebindMask(di, nearer), number,
                              hn::LoadU(di, label + i)),
               di, label + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace seg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seg {

HWY_EXPORT(TakeNearerT);

static_assert(kSlicSlack * sizeof(float) >= HWY_MAX_BYTES);

void TakeNearer(const float* const colour[3], const float centre[3],
                const float* dx, float dy2, float space, int32_t k,
                int64_t count, float* distance, int32_t* label) {
  HWY_DYNAMIC_DISPATCH(TakeNearerT)
  (colour, centre, dx, dy2, space, k, count, distance, label);
}

}  // namespace seg
#endif
