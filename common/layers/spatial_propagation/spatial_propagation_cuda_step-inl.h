// Device code of the spatial propagation: rules, steps of the recurrence, what
// warps tell each other. Included by its .cu files.

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_STEP_INL_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_STEP_INL_H_

#include <cstdint>

#include "common/cuda/kernel.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_plan.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_tile-inl.h"

namespace seg {
namespace spatial_propagation_cuda {

constexpr unsigned kAllLanes = 0xffffffffu;

// Of a normal number; to a unit in the last place.
__device__ __forceinline__ float Reciprocal(float x) {
#ifdef SEG_CUDA_EMULATOR
  return 1.0f / x;
#else
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}
__device__ __forceinline__ double Reciprocal(double x) { return 1.0 / x; }
// NaN where one is.
__device__ __forceinline__ float Larger(float x, float y) {
#ifdef SEG_CUDA_EMULATOR
  return y != y || x <= y ? y : x;
#else
  float z;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(z) : "f"(x), "f"(y));
  return z;
#endif
}
__device__ __forceinline__ double Larger(double x, double y) {
  return y != y || x <= y ? y : x;
}
__device__ __forceinline__ float Tanh(float x) { return tanhf(x); }
__device__ __forceinline__ double Tanh(double x) { return tanh(x); }
__device__ __forceinline__ float Abs(float x) { return fabsf(x); }
__device__ __forceinline__ double Abs(double x) { return fabs(x); }
__device__ __forceinline__ float Fma(float x, float y, float z) {
  return fmaf(x, y, z);
}
__device__ __forceinline__ double Fma(double x, double y, double z) {
  return fma(x, y, z);
}

// The ends of the line among the lanes of a run: the first lane of all can only
// be the run's first.
struct Ends {
  bool first;
  bool last[kRun];

  // even: the line has whole runs.
  __device__ __forceinline__ Ends(int lane, int lanes, bool even)
      : first(lane == 0) {
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      last[i] = (!even || i == kRun - 1) && lane + i == lanes - 1;
    }
  }
  // Whether gate k of lane i has a source.
  template <int K>
  __device__ __forceinline__ bool Valid(int k, int i) const {
    if (K == 1 || k == 1) return true;
    return k == 0 ? !(i == 0 && first) : !last[i];
  }
};

// kDivideRule: rule kDivide without sum_all, known to the compiler; else what
// the problem says.

// 1 / max(S + plus, floor); `divided`: whether it depends on the raw gates.
template <int K, bool kDivideRule, class P, typename T>
__device__ __forceinline__ T Inverse(const P& p, const T (&raw)[K],
                                     bool* divided) {
  T sum = Abs(raw[0]);
#pragma unroll
  for (int k = 1; k < K; ++k) sum += Abs(raw[k]);
  if constexpr (kDivideRule) {
    constexpr T kFloor = static_cast<T>(kGateDivideFloor);
    *divided = sum > kFloor;
    return Reciprocal(Larger(sum, kFloor));
  } else {
    sum += p.plus;
    *divided =
        !p.no_rule && (p.divided_at_floor ? sum >= p.floor : sum > p.floor);
    const T inverse = Reciprocal(Larger(sum, p.floor));
    return p.no_rule ? T(1) : inverse;
  }
}

// Raw gates of a group as the rule takes them: zero where unused, but for
// sum_all.
template <int K, bool kDivideRule, class P, typename T>
__device__ __forceinline__ void TakeRaw(const P& p, const Ends& ends,
                                        T (&gates)[K][kGroup][kRun]) {
#pragma unroll
  for (int k = 0; k < K; ++k) {
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      const bool taken = ends.Valid<K>(k, i) || (!kDivideRule && p.sum_all);
#pragma unroll
      for (int u = 0; u < kGroup; ++u) {
        if (!taken) gates[k][u][i] = T(0);
      }
    }
  }
  if constexpr (!kDivideRule) {
    if (!p.tanh) return;
      // A step at a time, all moving up by one: registers have no index, and
      // the code of tanh is long.
#pragma unroll 1
    for (int turn = 0; turn < kGroup; ++turn) {
#pragma unroll
      for (int k = 0; k < K; ++k) {
#pragma unroll
        for (int i = 0; i < kRun; ++i) {
          const T bounded = Tanh(gates[k][0][i]);
#pragma unroll
          for (int u = 0; u + 1 < kGroup; ++u)
            gates[k][u][i] = gates[k][u + 1][i];
          gates[k][kGroup - 1][i] = bounded;
        }
      }
    }
  }
}

// Raw gates of a group into gates p, in place.
template <int K, bool kDivideRule, class P, typename T>
__device__ __forceinline__ void Normalize(const P& p, const Ends& ends,
                                          T (&gates)[K][kGroup][kRun]) {
  TakeRaw<K, kDivideRule>(p, ends, gates);
#pragma unroll
  for (int u = 0; u < kGroup; ++u) {
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      T raw[K];
#pragma unroll
      for (int k = 0; k < K; ++k) raw[k] = gates[k][u][i];
      bool divided;
      const T inverse = Inverse<K, kDivideRule>(p, raw, &divided);
#pragma unroll
      for (int k = 0; k < K; ++k) {
        gates[k][u][i] = raw[k] * inverse;
        if (!kDivideRule && !ends.Valid<K>(k, i)) gates[k][u][i] = T(0);
      }
    }
  }
}

// The lanes beside a run's, zero beyond the ends of the line.
template <typename T>
struct Neighbours {
  T before, after[kRun];

  __device__ __forceinline__ Neighbours(const T (&h)[kRun], const Ends& ends) {
    before = __shfl_up_sync(kAllLanes, h[kRun - 1], 1);
    const T next = __shfl_down_sync(kAllLanes, h[0], 1);
    if (ends.first) before = T(0);
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      after[i] = i + 1 < kRun ? h[i + 1 < kRun ? i + 1 : 0] : next;
      if (ends.last[i]) after[i] = T(0);
    }
  }
};

// d[k] = h of gate k's source - x, for lane i.
template <int K, typename T>
__device__ __forceinline__ void Differences(const T (&h)[kRun],
                                            const Neighbours<T>& beside, T x,
                                            int i, T (&d)[K]) {
  if constexpr (K == 1) {
    d[0] = h[i] - x;
  } else {
    d[0] = (i == 0 ? beside.before : h[i > 0 ? i - 1 : 0]) - x;
    d[1] = h[i] - x;
    d[2] = beside.after[i] - x;
  }
}

// h of the next step, in place; of the scan's first step: x.
template <int K, typename T>
__device__ __forceinline__ void Step(const T (&gates)[K][kGroup][kRun],
                                     const T (&x)[kGroup][kRun], int u,
                                     bool first_step, const Ends& ends,
                                     T (&h)[kRun]) {
  if constexpr (K == 1) {
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      const T next = Fma(gates[0][u][i], h[i] - x[u][i], x[u][i]);
      h[i] = first_step ? x[u][i] : next;
    }
  } else {
    const Neighbours<T> beside(h, ends);
    T next[kRun];
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      T d[K];
      Differences<K>(h, beside, x[u][i], i, d);
      // What the shuffles bring comes last.
      next[i] = Fma(gates[1][u][i], d[1], x[u][i]);
      next[i] = Fma(gates[0][u][i], d[0], next[i]);
      next[i] = Fma(gates[2][u][i], d[2], next[i]);
    }
#pragma unroll
    for (int i = 0; i < kRun; ++i) h[i] = first_step ? x[u][i] : next[i];
  }
}

// The states of the lanes at the rims of each window, for the warps beside it:
// two tiles in turn, kHalo lanes from the lower and from the upper end of what
// the warp owns.
template <typename T>
struct Rims {
  T* rims;  // in shared memory
  int warps, first_warp, cluster_rank;

  static constexpr int kWarpElements = 2 * kHalo;

  __device__ __forceinline__ T* Of(int parity, int warp) const {
    return rims + (parity * warps + first_warp + warp) * kWarpElements;
  }
  // After a tile.
  __device__ __forceinline__ void Publish(int parity, int warp, int stride,
                                          const T (&h)[kRun]) const {
    const int offset = threadIdx.x % kWarp * kRun;
    T* to = Of(parity, warp);
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      if (offset >= kHalo && offset < 2 * kHalo) to[offset - kHalo + i] = h[i];
      if (offset >= stride && offset < stride + kHalo) {
        to[kHalo + offset - stride + i] = h[i];
      }
    }
  }
  // After the barrier that follows. `warps_of_team`: a block.
  __device__ __forceinline__ void Fetch(int parity, int warp, int stride,
                                        int warps_of_team, const Window& window,
                                        T (&h)[kRun]) const {
    const int offset = threadIdx.x % kWarp * kRun;
    const bool lower = window.below && offset < kHalo;
    const bool upper =
        window.above && offset >= stride + kHalo && offset < stride + 2 * kHalo;
    if (!lower && !upper) return;
    int from = lower ? warp - 1 : warp + 1;
    int rank = cluster_rank;
    if (from < 0) {
      from = warps_of_team - 1;
      --rank;
    } else if (from >= warps_of_team) {
      from = 0;
      ++rank;
    }
    T* source = Of(parity, from);
    if (rank != cluster_rank) source = cuda::ClusterMap(source, rank);
    source += lower ? kHalo + offset : offset - stride - kHalo;
#pragma unroll
    for (int i = 0; i < kRun; ++i) h[i] = source[i];
  }
};

}  // namespace spatial_propagation_cuda
}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_STEP_INL_H_
