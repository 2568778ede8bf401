// The simplex of a point on the device (include in a .cu only; internal). The
// steps and roundings are those of elevate.cc, so that a point gets the simplex
// that it has on the CPU: no fused multiply-adds.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_SIMPLEX_CUDA_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_SIMPLEX_CUDA_H_

#include <cstdint>

#include "common/cuda/kernel.h"
#include "common/layers/permutohedral/lattice_state.h"

namespace seg {
namespace cuda {
namespace elevate {

constexpr int kMaxQuotient = 1 << 22;  // as elevate.h

__device__ inline float Times(float a, float b) { return __fmul_rn(a, b); }
__device__ inline double Times(double a, double b) { return __dmul_rn(a, b); }
__device__ inline float Plus(float a, float b) { return __fadd_rn(a, b); }
__device__ inline double Plus(double a, double b) { return __dadd_rn(a, b); }
__device__ inline float Minus(float a, float b) { return __fsub_rn(a, b); }
__device__ inline double Minus(double a, double b) { return __dsub_rn(a, b); }
__device__ inline float Round(float a) { return rintf(a); }
__device__ inline double Round(double a) { return rint(a); }

template <typename T>
struct Input {
  const T* features;
  int64_t image_stride, point_stride, dim_stride;
  int64_t images, points;
  int32_t dim;
  T scale[kLatticeMaxDim];
};

// DIM: the dimension, or 0 for one known at run time only.
template <typename T, int DIM>
struct Simplex {
  static constexpr int kCorners = (DIM > 0 ? DIM : kLatticeMaxDim) + 1;
  T weight[kCorners];
  int quotient[kCorners];
  int rank[kCorners];
};

// False where a coordinate is not finite or too large.
template <typename T, int DIM>
__device__ inline bool Elevate(const Input<T>& in, int64_t image, int64_t point,
                               Simplex<T, DIM>* s) {
  const int dim = DIM > 0 ? DIM : in.dim;
  const T corners = static_cast<T>(dim + 1);
  const T inverse = T(1) / corners;
  const T* f = in.features + image * in.image_stride + point * in.point_stride;
  T diff[Simplex<T, DIM>::kCorners];
  T sum = 0;
#pragma unroll
  for (int j = dim; j > 0; --j) {
    const T cf = Times(f[(j - 1) * in.dim_stride], in.scale[j - 1]);
    diff[j] = Minus(sum, Times(static_cast<T>(j), cf));
    sum = Plus(sum, cf);
  }
  diff[0] = sum;
  int good = 1;
  int quotients = 0;
#pragma unroll
  for (int i = 0; i <= dim; ++i) {
    const T rounded = Round(Times(diff[i], inverse));
    good &= fabs(rounded) <= static_cast<T>(kMaxQuotient) ? 1 : 0;
    s->quotient[i] = good != 0 ? static_cast<int>(rounded) : 0;
    diff[i] = Minus(diff[i], Times(rounded, corners));
    quotients += s->quotient[i];
    s->rank[i] = 0;
  }
  if (good == 0) return false;
#pragma unroll
  for (int i = 0; i < dim; ++i) {
#pragma unroll
    for (int j = i + 1; j <= dim; ++j) {
      const bool less = diff[i] < diff[j];
      s->rank[i] += less ? 1 : 0;
      s->rank[j] += less ? 0 : 1;
    }
  }
  // To the remainder-0 point whose coordinates sum to zero.
#pragma unroll
  for (int i = 0; i <= dim; ++i) {
    const int rank = s->rank[i] + quotients;
    const int move = rank < 0 ? 1 : rank > dim ? -1 : 0;
    s->rank[i] = rank + move * (dim + 1);
    s->quotient[i] += move;
    diff[i] =
        Times(Minus(diff[i], Times(static_cast<T>(move), corners)), inverse);
  }
  // b_r = s_{d-r} - s_{d+1-r} and b_0 = s_d + (1 - s_0), where s_k is the
  // difference of rank k.
  T higher = 0;
#pragma unroll
  for (int k = 0; k <= dim; ++k) {
    T ranked = 0;
#pragma unroll
    for (int i = 0; i <= dim; ++i) {
      if (s->rank[i] == k) ranked = diff[i];
    }
    if (k == 0) {
      s->weight[0] = Minus(T(1), ranked);
    } else {
      // r = d + 1 - k: s_{k-1} - s_k.
      s->weight[dim + 1 - k] = Minus(higher, ranked);
    }
    higher = ranked;
  }
  s->weight[0] = Plus(higher, s->weight[0]);
  return true;
}

}  // namespace elevate
}  // namespace cuda
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_SIMPLEX_CUDA_H_
