// CUDA's short vectors, dim3 and bfloat16 for the host compiler.
#ifndef COMMON_TESTING_CUDA_EMULATOR_VECTOR_TYPES_H_
#define COMMON_TESTING_CUDA_EMULATOR_VECTOR_TYPES_H_

#include <cstdint>
#include <cstring>

#define SEG_VECTOR2(type, name, bytes) \
  struct alignas(bytes) name {         \
    type x, y;                         \
  };                                   \
  inline name make_##name(type x, type y) { return {x, y}; }
#define SEG_VECTOR3(type, name) \
  struct name {                 \
    type x, y, z;               \
  };                            \
  inline name make_##name(type x, type y, type z) { return {x, y, z}; }
#define SEG_VECTOR4(type, name, bytes)                      \
  struct alignas(bytes) name {                              \
    type x, y, z, w;                                        \
  };                                                        \
  inline name make_##name(type x, type y, type z, type w) { \
    return {x, y, z, w};                                    \
  }

SEG_VECTOR2(float, float2, 8)
SEG_VECTOR2(double, double2, 16)
SEG_VECTOR2(int, int2, 8)
SEG_VECTOR2(unsigned, uint2, 8)
SEG_VECTOR2(short, short2, 4)
SEG_VECTOR2(unsigned short, ushort2, 4)
SEG_VECTOR2(unsigned char, uchar2, 2)
SEG_VECTOR2(long long, longlong2, 16)
SEG_VECTOR2(unsigned long long, ulonglong2, 16)
SEG_VECTOR3(float, float3)
SEG_VECTOR3(int, int3)
SEG_VECTOR3(unsigned, uint3)
SEG_VECTOR4(float, float4, 16)
SEG_VECTOR4(int, int4, 16)
SEG_VECTOR4(unsigned, uint4, 16)
SEG_VECTOR4(short, short4, 8)
SEG_VECTOR4(unsigned short, ushort4, 8)
SEG_VECTOR4(unsigned char, uchar4, 4)
#undef SEG_VECTOR2
#undef SEG_VECTOR3
#undef SEG_VECTOR4

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1)
      : x(x), y(y), z(z) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};

// The upper half of a float. Arithmetic is done in float on the card and here,
// so convert first: only conversions are offered.
struct __nv_bfloat16 {
  uint16_t bits;
};

struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};

inline float __bfloat162float(__nv_bfloat16 value) {
  const uint32_t bits = uint32_t{value.bits} << 16;
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

// Towards zero.
inline __nv_bfloat16 __float2bfloat16_rz(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if (value != value) return {0x7fff};
  return {static_cast<uint16_t>(bits >> 16)};
}

// To the nearest, ties to even.
inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if (value != value) return {0x7fff};
  bits += 0x7fff + ((bits >> 16) & 1);
  return {static_cast<uint16_t>(bits >> 16)};
}

inline __nv_bfloat16 __float2bfloat16(float value) {
  return __float2bfloat16_rn(value);
}

inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 value) {
  return value.bits;
}
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) {
  return {bits};
}

inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) {
  return {x, y};
}
inline __nv_bfloat162 make_bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) {
  return {x, y};
}
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) {
  return {__float2bfloat16_rn(x), __float2bfloat16_rn(y)};
}
inline float2 __bfloat1622float2(__nv_bfloat162 value) {
  return {__bfloat162float(value.x), __bfloat162float(value.y)};
}
inline float __low2float(__nv_bfloat162 value) {
  return __bfloat162float(value.x);
}
inline float __high2float(__nv_bfloat162 value) {
  return __bfloat162float(value.y);
}

#endif  // COMMON_TESTING_CUDA_EMULATOR_VECTOR_TYPES_H_
