// CUDA's arithmetic intrinsics for the host compiler. The approximate ones
// (__expf, __fdividef, rsqrtf) are exact here: a test's tolerance has to cover
// what the card does.
#ifndef COMMON_TESTING_CUDA_EMULATOR_ARITHMETIC_H_
#define COMMON_TESTING_CUDA_EMULATOR_ARITHMETIC_H_

#include <math.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace seg::cuda::emulator {

template <typename To, typename From>
inline To Reinterpret(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

// As the card converts: out of range to the nearest end, NaN to zero.
template <typename To, typename From>
inline To Saturate(From value) {
  using Limits = std::numeric_limits<To>;
  if (value != value) return 0;
  if (value <= static_cast<From>(Limits::min())) return Limits::min();
  if (value >= static_cast<From>(Limits::max())) return Limits::max();
  return static_cast<To>(value);
}

// The kernel stops with `message`.
[[noreturn]] void Trap(const char* message);

}  // namespace seg::cuda::emulator

#define SEG_MIN_MAX(type)                                   \
  inline type min(type a, type b) { return b < a ? b : a; } \
  inline type max(type a, type b) { return a < b ? b : a; }
SEG_MIN_MAX(int)
SEG_MIN_MAX(unsigned)
SEG_MIN_MAX(long)
SEG_MIN_MAX(unsigned long)
SEG_MIN_MAX(long long)
SEG_MIN_MAX(unsigned long long)
#undef SEG_MIN_MAX
// The other operand where one is NaN.
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline float rsqrt(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float __saturatef(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }
inline float fdividef(float x, float y) { return x / y; }
inline float __fdividef(float x, float y) { return x / y; }
inline float __expf(float x) { return expf(x); }
inline float __exp10f(float x) { return powf(10.0f, x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __frsqrt_rn(float x) { return 1.0f / sqrtf(x); }
inline double __dadd_rn(double x, double y) { return x + y; }
inline double __dsub_rn(double x, double y) { return x - y; }
inline double __dmul_rn(double x, double y) { return x * y; }
inline double __ddiv_rn(double x, double y) { return x / y; }
inline double __fma_rn(double x, double y, double z) { return fma(x, y, z); }

#define SEG_CONVERT(from, From, to, To)                 \
  inline to __##From##2##To##_rn(from x) {              \
    return seg::cuda::emulator::Saturate<to>(rint(x));  \
  }                                                     \
  inline to __##From##2##To##_rz(from x) {              \
    return seg::cuda::emulator::Saturate<to>(trunc(x)); \
  }                                                     \
  inline to __##From##2##To##_rd(from x) {              \
    return seg::cuda::emulator::Saturate<to>(floor(x)); \
  }                                                     \
  inline to __##From##2##To##_ru(from x) {              \
    return seg::cuda::emulator::Saturate<to>(ceil(x));  \
  }
SEG_CONVERT(float, float, int, int)
SEG_CONVERT(float, float, unsigned, uint)
SEG_CONVERT(float, float, long long, ll)
SEG_CONVERT(float, float, unsigned long long, ull)
SEG_CONVERT(double, double, int, int)
SEG_CONVERT(double, double, unsigned, uint)
SEG_CONVERT(double, double, long long, ll)
SEG_CONVERT(double, double, unsigned long long, ull)
#undef SEG_CONVERT
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
inline float __ll2float_rn(long long x) { return static_cast<float>(x); }
inline double __int2double_rn(int x) { return x; }
inline double __uint2double_rn(unsigned x) { return x; }
inline float __double2float_rn(double x) { return static_cast<float>(x); }

inline int __float_as_int(float x) {
  return seg::cuda::emulator::Reinterpret<int>(x);
}
inline unsigned __float_as_uint(float x) {
  return seg::cuda::emulator::Reinterpret<unsigned>(x);
}
inline float __int_as_float(int x) {
  return seg::cuda::emulator::Reinterpret<float>(x);
}
inline float __uint_as_float(unsigned x) {
  return seg::cuda::emulator::Reinterpret<float>(x);
}
inline long long __double_as_longlong(double x) {
  return seg::cuda::emulator::Reinterpret<long long>(x);
}
inline double __longlong_as_double(long long x) {
  return seg::cuda::emulator::Reinterpret<double>(x);
}

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(x); }
inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll(x); }
inline unsigned __brev(unsigned x) {
  unsigned y = 0;
  for (int bit = 0; bit < 32; ++bit) y |= (x >> bit & 1u) << (31 - bit);
  return y;
}
inline unsigned long long __brevll(unsigned long long x) {
  return static_cast<unsigned long long>(__brev(static_cast<unsigned>(x)))
             << 32 |
         __brev(static_cast<unsigned>(x >> 32));
}
inline unsigned __umulhi(unsigned x, unsigned y) {
  return static_cast<unsigned>(uint64_t{x} * y >> 32);
}
inline int __mulhi(int x, int y) {
  return static_cast<int>(int64_t{x} * y >> 32);
}
inline unsigned long long __umul64hi(unsigned long long x,
                                     unsigned long long y) {
  return static_cast<unsigned long long>(
      static_cast<unsigned __int128>(x) * y >> 64);
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>(((uint64_t{high} << 32 | low) << (shift & 31)) >>
                               32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((uint64_t{high} << 32 | low) >> (shift & 31));
}

template <typename T>
inline T __ldg(const T* from) {
  return *from;
}
template <typename T>
inline T __ldcg(const T* from) {
  return *from;
}
template <typename T>
inline T __ldcs(const T* from) {
  return *from;
}
template <typename T>
inline void __stwb(T* to, T value) {
  *to = value;
}
template <typename T>
inline void __stcg(T* to, T value) {
  *to = value;
}
template <typename T>
inline void __stcs(T* to, T value) {
  *to = value;
}

[[noreturn]] inline void __trap() {
  seg::cuda::emulator::Trap("the kernel called __trap");
}

#endif  // COMMON_TESTING_CUDA_EMULATOR_ARITHMETIC_H_
