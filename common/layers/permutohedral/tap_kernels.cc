#include "common/layers/permutohedral/tap_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/layers/permutohedral/tap_kernels.cc"
#include "hwy/foreach_target.h"
// After it: compiled for each target.
#include "common/layers/permutohedral/row_tags-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace permutohedral {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Pairs at a time: six accumulators hide the latency of the multiply-add and
// share each load of the filter.
constexpr int64_t kPairs = 6;

template <class D, typename T>
HWY_INLINE void ApplyColumns(D d, const T* HWY_RESTRICT filter,
                             const T* HWY_RESTRICT in, int64_t labels_in,
                             int64_t row_in, const int32_t* HWY_RESTRICT source,
                             const uint8_t* HWY_RESTRICT target, int64_t count,
                             int64_t row_out, T* HWY_RESTRICT out) {
  int64_t i = 0;
  for (; i + kPairs <= count; i += kPairs) {
    const T* HWY_RESTRICT u0 = in + int64_t{source[i]} * row_in;
    const T* HWY_RESTRICT u1 = in + int64_t{source[i + 1]} * row_in;
    const T* HWY_RESTRICT u2 = in + int64_t{source[i + 2]} * row_in;
    const T* HWY_RESTRICT u3 = in + int64_t{source[i + 3]} * row_in;
    const T* HWY_RESTRICT u4 = in + int64_t{source[i + 4]} * row_in;
    const T* HWY_RESTRICT u5 = in + int64_t{source[i + 5]} * row_in;
    T* y0 = out + target[i] * row_out;
    T* y1 = out + target[i + 1] * row_out;
    T* y2 = out + target[i + 2] * row_out;
    T* y3 = out + target[i + 3] * row_out;
    T* y4 = out + target[i + 4] * row_out;
    T* y5 = out + target[i + 5] * row_out;
    // Targets of one tap are distinct, so the six rows do not alias.
    auto a0 = hn::LoadU(d, y0);
    auto a1 = hn::LoadU(d, y1);
    auto a2 = hn::LoadU(d, y2);
    auto a3 = hn::LoadU(d, y3);
    auto a4 = hn::LoadU(d, y4);
    auto a5 = hn::LoadU(d, y5);
    for (int64_t m = 0; m < labels_in; ++m) {
      const auto f = hn::LoadU(d, filter + m * row_out);
      a0 = hn::MulAdd(f, hn::Set(d, u0[m]), a0);
      a1 = hn::MulAdd(f, hn::Set(d, u1[m]), a1);
      a2 = hn::MulAdd(f, hn::Set(d, u2[m]), a2);
      a3 = hn::MulAdd(f, hn::Set(d, u3[m]), a3);
      a4 = hn::MulAdd(f, hn::Set(d, u4[m]), a4);
      a5 = hn::MulAdd(f, hn::Set(d, u5[m]), a5);
    }
    hn::StoreU(a0, d, y0);
    hn::StoreU(a1, d, y1);
    hn::StoreU(a2, d, y2);
    hn::StoreU(a3, d, y3);
    hn::StoreU(a4, d, y4);
    hn::StoreU(a5, d, y5);
  }
  for (; i < count; ++i) {
    const T* HWY_RESTRICT u = in + int64_t{source[i]} * row_in;
    T* y = out + target[i] * row_out;
    auto a = hn::LoadU(d, y);
    for (int64_t m = 0; m < labels_in; ++m) {
      a = hn::MulAdd(hn::LoadU(d, filter + m * row_out), hn::Set(d, u[m]), a);
    }
    hn::StoreU(a, d, y);
  }
}

template <size_t kCap, typename T>
HWY_ATTR void ApplyTapT(const T* filter, const T* in, int64_t labels_in,
                        int64_t row_in, const int32_t* source,
                        const uint8_t* target, int64_t count, int64_t row_out,
                        T* out) {
  const typename RowTags<T, kCap>::Full d;
  const typename RowTags<T, kCap>::Tail tail;
  const int64_t step = RowTags<T, kCap>::FullStep();
  const int64_t tail_step = RowTags<T, kCap>::TailStep();
  int64_t c = 0;
  for (; c + step <= row_out; c += step) {
    ApplyColumns(d, filter + c, in, labels_in, row_in, source, target, count,
                 row_out, out + c);
  }
  for (; c < row_out; c += tail_step) {
    ApplyColumns(tail, filter + c, in, labels_in, row_in, source, target, count,
                 row_out, out + c);
  }
}

template <class D, typename T>
HWY_INLINE void AddLanes(D d, hn::Vec<D> sum, double* HWY_RESTRICT grad) {
  HWY_ALIGN T lanes[16];
  hn::Store(sum, d, lanes);
  for (size_t k = 0; k < hn::Lanes(d); ++k) {
    grad[k] += static_cast<double>(lanes[k]);
  }
}

// kRows (1..8) rows of the gradient for the labels l.. of `a`.
template <int kRows, class D, typename T>
HWY_INLINE void OuterRows(D d, const T* HWY_RESTRICT a, int64_t row_a,
                          const T* HWY_RESTRICT b, int64_t row_b,
                          const int32_t* HWY_RESTRICT source,
                          const uint8_t* HWY_RESTRICT target, int64_t count,
                          double* HWY_RESTRICT grad) {
  auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
  auto s4 = hn::Zero(d), s5 = hn::Zero(d), s6 = hn::Zero(d), s7 = hn::Zero(d);
  for (int64_t i = 0; i < count; ++i) {
    const auto x = hn::LoadU(d, b + int64_t{source[i]} * row_b);
    const T* HWY_RESTRICT y = a + target[i] * row_a;
    s0 = hn::MulAdd(x, hn::Set(d, y[0]), s0);
    if (kRows > 1) s1 = hn::MulAdd(x, hn::Set(d, y[1]), s1);
    if (kRows > 2) s2 = hn::MulAdd(x, hn::Set(d, y[2]), s2);
    if (kRows > 3) s3 = hn::MulAdd(x, hn::Set(d, y[3]), s3);
    if (kRows > 4) s4 = hn::MulAdd(x, hn::Set(d, y[4]), s4);
    if (kRows > 5) s5 = hn::MulAdd(x, hn::Set(d, y[5]), s5);
    if (kRows > 6) s6 = hn::MulAdd(x, hn::Set(d, y[6]), s6);
    if (kRows > 7) s7 = hn::MulAdd(x, hn::Set(d, y[7]), s7);
  }
  AddLanes<D, T>(d, s0, grad);
  if (kRows > 1) AddLanes<D, T>(d, s1, grad + row_b);
  if (kRows > 2) AddLanes<D, T>(d, s2, grad + 2 * row_b);
  if (kRows > 3) AddLanes<D, T>(d, s3, grad + 3 * row_b);
  if (kRows > 4) AddLanes<D, T>(d, s4, grad + 4 * row_b);
  if (kRows > 5) AddLanes<D, T>(d, s5, grad + 5 * row_b);
  if (kRows > 6) AddLanes<D, T>(d, s6, grad + 6 * row_b);
  if (kRows > 7) AddLanes<D, T>(d, s7, grad + 7 * row_b);
}

template <class D, typename T>
HWY_INLINE void OuterColumns(D d, const T* a, int64_t labels_a, int64_t row_a,
                             const T* b, int64_t row_b, const int32_t* source,
                             const uint8_t* target, int64_t count,
                             double* grad) {
  int64_t l = 0;
#define SEG_OUTER(ROWS)                                             \
  OuterRows<ROWS>(d, a + l, row_a, b, row_b, source, target, count, \
                  grad + l * row_b)
  for (; l + 8 <= labels_a; l += 8) SEG_OUTER(8);
  switch (labels_a - l) {
    case 7:
      return SEG_OUTER(7);
    case 6:
      return SEG_OUTER(6);
    case 5:
      return SEG_OUTER(5);
    case 4:
      return SEG_OUTER(4);
    case 3:
      return SEG_OUTER(3);
    case 2:
      return SEG_OUTER(2);
    case 1:
      return SEG_OUTER(1);
  }
#undef SEG_OUTER
}

template <size_t kCap, typename T>
HWY_ATTR void OuterT(const T* a, int64_t labels_a, int64_t row_a, const T* b,
                     int64_t row_b, const int32_t* source,
                     const uint8_t* target, int64_t count, double* grad) {
  const typename RowTags<T, kCap>::Full d;
  const typename RowTags<T, kCap>::Tail tail;
  const int64_t step = RowTags<T, kCap>::FullStep();
  const int64_t tail_step = RowTags<T, kCap>::TailStep();
  int64_t c = 0;
  for (; c + step <= row_b; c += step) {
    OuterColumns(d, a, labels_a, row_a, b + c, row_b, source, target, count,
                 grad + c);
  }
  for (; c < row_b; c += tail_step) {
    OuterColumns(tail, a, labels_a, row_a, b + c, row_b, source, target, count,
                 grad + c);
  }
}

#define SEG_BY_ROW(ROW, KERNEL, ...)  \
  switch (ROW) {                      \
    case 1:                           \
      return KERNEL<1>(__VA_ARGS__);  \
    case 2:                           \
      return KERNEL<2>(__VA_ARGS__);  \
    case 4:                           \
      return KERNEL<4>(__VA_ARGS__);  \
    default:                          \
      return KERNEL<16>(__VA_ARGS__); \
  }
#define SEG_KERNELS(T, SUFFIX)                                                 \
  void ApplyTap##SUFFIX(const T* filter, const T* in, int64_t labels_in,       \
                        int64_t row_in, const int32_t* source,                 \
                        const uint8_t* target, int64_t count, int64_t row_out, \
                        T* out) {                                              \
    SEG_BY_ROW(row_out, ApplyTapT, filter, in, labels_in, row_in, source,      \
               target, count, row_out, out)                                    \
  }                                                                            \
  void Outer##SUFFIX(const T* a, int64_t labels_a, int64_t row_a, const T* b,  \
                     int64_t row_b, const int32_t* source,                     \
                     const uint8_t* target, int64_t count, double* grad) {     \
    SEG_BY_ROW(row_b, OuterT, a, labels_a, row_a, b, row_b, source, target,    \
               count, grad)                                                    \
  }
SEG_KERNELS(float, F)
SEG_KERNELS(double, D)
#undef SEG_KERNELS
#undef SEG_BY_ROW

}  // namespace HWY_NAMESPACE
}  // namespace permutohedral
}  // namespace seg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seg {
namespace permutohedral {

#define SEG_DISPATCH(T, SUFFIX)                                               \
  HWY_EXPORT(ApplyTap##SUFFIX);                                               \
  HWY_EXPORT(Outer##SUFFIX);                                                  \
  template <>                                                                 \
  void ApplyTap(const T* filter, const T* in, int64_t labels_in,              \
                int64_t row_in, const int32_t* source, const uint8_t* target, \
                int64_t count, int64_t row_out, T* out) {                     \
    HWY_DYNAMIC_DISPATCH(ApplyTap##SUFFIX)                                    \
    (filter, in, labels_in, row_in, source, target, count, row_out, out);     \
  }                                                                           \
  template <>                                                                 \
  void AddOuterProducts(const T* a, int64_t labels_a, int64_t row_a,          \
                        const T* b, int64_t row_b, const int32_t* source,     \
                        const uint8_t* target, int64_t count, double* grad) { \
    HWY_DYNAMIC_DISPATCH(Outer##SUFFIX)                                       \
    (a, labels_a, row_a, b, row_b, source, target, count, grad);              \
  }
SEG_DISPATCH(float, F)
SEG_DISPATCH(double, D)
#undef SEG_DISPATCH

}  // namespace permutohedral
}  // namespace seg
#endif  // HWY_ONCE
