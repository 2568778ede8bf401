// Products of small matrices by a warp on the tensor cores (include in a .cu
// only). The emulator computes the same from shuffles.
#ifndef COMMON_CUDA_MMA_H_
#define COMMON_CUDA_MMA_H_

#include <cstdint>

#include "common/cuda/kernel.h"

namespace seg {
namespace cuda {

// x as MmaTf32 takes it, rounded to 10 bits of mantissa (ties away from zero).
__device__ inline uint32_t ToTf32(float x) {
  const uint32_t bits = __float_as_uint(x);
  // The rest is cut off by the product. A NaN of all ones would become a zero.
  return x != x ? bits : bits + 0x1000u;
}

// d += A B for A 16 x 8, B 8 x 8, products in TF32, sums in float; all lanes
// take part. With g = lane / 4 and t = lane % 4 a lane holds
//   a: A[g][t], A[g+8][t], A[g][t+4], A[g+8][t+4]
//   b: B[t][g], B[t+4][g]
//   d: D[g][2t], D[g][2t+1], D[g+8][2t], D[g+8][2t+1]
__device__ inline void MmaTf32(const uint32_t (&a)[4], const uint32_t (&b)[2],
                               float (&d)[4]) {
#ifdef SEG_CUDA_EMULATOR
  const int lane = static_cast<int>(threadIdx.x % 32);
  const auto number = [](uint32_t bits) {
    return __uint_as_float(bits & ~0x1fffu);
  };
  for (int k = 0; k < 8; ++k) {
    for (int i = 0; i < 4; ++i) {
      // D[row][column] with row's part in lanes g, column's in lanes 2t, 2t+1.
      const int row_lane = lane / 4 * 4 + k % 4;
      const int column = lane % 4 * 2 + i % 2;
      const uint32_t low = __shfl_sync(~0u, a[k / 4 * 2], row_lane);
      const uint32_t high = __shfl_sync(~0u, a[k / 4 * 2 + 1], row_lane);
      const uint32_t of_b = __shfl_sync(~0u, b[k / 4], column * 4 + k % 4);
      d[i] += number(i < 2 ? low : high) * number(of_b);
    }
  }
#else
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, "
      "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

}  // namespace cuda
}  // namespace seg

#endif  // COMMON_CUDA_MMA_H_
