#include <cstdint>

#include "common/cuda/kernel.h"
#include "common/layers/simplex_projection/simplex_projection_cuda.h"

namespace seg {
namespace {

constexpr int kThreads = 128;
// Blocks that a multiprocessor must hold: leaves a thread 80, 96 or 168
// registers for its labels, so that none is spilled.
template <typename T, int kLabels, int kPixels>
constexpr int MinBlocks() {
  constexpr size_t kBytes = sizeof(T) * kLabels * kPixels;
  return kBytes <= 96 ? 6 : kBytes <= 128 ? 5 : 3;
}
// blockIdx.y goes over images, in several rounds beyond this many.
constexpr int64_t kMaxGridY = 65535;

__device__ __forceinline__ float MultiplyAdd(float a, float b, float c) {
  return fmaf(a, b, c);
}
__device__ __forceinline__ double MultiplyAdd(double a, double b, double c) {
  return fma(a, b, c);
}
// Kept from being fused with an addition after it.
__device__ __forceinline__ float Product(float a, float b) {
  return __fmul_rn(a, b);
}
__device__ __forceinline__ double Product(double a, double b) {
  return __dmul_rn(a, b);
}

template <typename T>
__device__ __forceinline__ T MinusInfinity() {
  return static_cast<T>(-INFINITY);
}

// Label l of a pixel is at data[l * row].
template <typename T>
struct Pixel {
  T* data;
  int64_t row;
};

template <typename T>
__device__ __forceinline__ Pixel<T> At(const SimplexView<T>& view,
                                       int64_t image, int64_t pixel) {
  return {view.data + image * view.image_stride + pixel * view.pixel_stride,
          view.label_stride};
}

// x - step * gradient of one label.
template <bool kStep, typename T>
__device__ __forceinline__ T Value(const Pixel<const T>& x,
                                   const Pixel<const T>& gradient, T step,
                                   int64_t l) {
  const T value = __ldg(x.data + l * x.row);
  if (!kStep) return value;
  return MultiplyAdd(-step, __ldg(gradient.data + l * gradient.row), value);
}

__device__ __forceinline__ float Larger(float a, float b) {
  return fmaxf(a, b);
}
__device__ __forceinline__ double Larger(double a, double b) {
  return fmax(a, b);
}
__device__ __forceinline__ float Smaller(float a, float b) {
  return fminf(a, b);
}
__device__ __forceinline__ double Smaller(double a, double b) {
  return fmin(a, b);
}

// The largest label and the second, of those seen.
template <typename T>
struct Largest {
  T first = MinusInfinity<T>(), second = MinusInfinity<T>();
  bool has_nan = false;

  __device__ __forceinline__ void See(T x) {
    second = Larger(second, Smaller(first, x));
    first = Larger(first, x);
    has_nan = has_nan || x != x;
  }
  // NaN where a label is, or where the largest is infinite.
  __device__ __forceinline__ T Origin() const {
    return has_nan ? static_cast<T>(NAN) : first + (first - first);
  }
};

// Sum and number of the labels above a threshold.
template <typename T>
struct Active {
  T sum = 0, count = 0;

  __device__ __forceinline__ void See(T x, T tau) {
    if (x > tau) {  // a predicate, not a branch
      sum += x;
      count += T(1);
    }
  }
};

// The threshold relative to `origin`, to start from: that of the largest label
// alone, or of the largest two, a lower bound of the true one.
template <typename T>
__device__ __forceinline__ T FirstTau(const Largest<T>& largest, T origin) {
  const T two = T(0.5) * (largest.second - origin - T(1));
  return two > T(-1) ? two : T(-1);
}

// x is relative to the origin of tau. x <= tau is false for NaN, which stays.
template <typename T>
__device__ __forceinline__ T Output(T x, T tau, T leak) {
  const T y = x - tau;
  if (!(x <= tau)) return y;
  return leak == T(0) ? T(0) : leak * y;
}

// kLabels >= labels in registers. The rounds are those of the CPU core
// (simplex_rows.cc), the order of sums too.
template <typename T, int kLabels>
struct Registers {
  T v[kLabels];

  // Labels beyond the last are -infinity: never active.
  template <bool kStep>
  __device__ __forceinline__ void Load(const Pixel<const T>& x,
                                       const Pixel<const T>& gradient, T step,
                                       int labels) {
#pragma unroll
    for (int l = 0; l < kLabels; ++l) {
      v[l] =
          l < labels ? Value<kStep>(x, gradient, step, l) : MinusInfinity<T>();
    }
  }

  // v becomes the projection.
  __device__ __forceinline__ void Project(T leak, int labels) {
    Largest<T> largest;
#pragma unroll
    for (int l = 0; l < kLabels; ++l) largest.See(v[l]);
    const T origin = largest.Origin();
    T tau = FirstTau(largest, origin);
#pragma unroll
    for (int l = 0; l < kLabels; ++l) v[l] -= origin;
    if (kLabels == 2 && labels == 2) {  // closed form
      tau = T(0.5) * (v[0] + v[1] - T(1));
      tau = tau > T(-1) ? tau : T(-1);
    } else {
      Active<T> active = Above(tau);
      for (int round = 1;; ++round) {
        tau = (active.sum - T(1)) / active.count;
        if (round >= labels) break;
        const T old = active.count;
        active = Above(tau);
        if (active.count == old) break;  // the same set, so the same tau
      }
    }
#pragma unroll
    for (int l = 0; l < kLabels; ++l) v[l] = Output(v[l], tau, leak);
  }

  __device__ __forceinline__ void Store(const Pixel<T>& y, int labels) const {
#pragma unroll
    for (int l = 0; l < kLabels; ++l) {
      if (l < labels) y.data[l * y.row] = v[l];
    }
  }

 private:
  __device__ __forceinline__ Active<T> Above(T tau) const {
    Active<T> active;
#pragma unroll
    for (int l = 0; l < kLabels; ++l) active.See(v[l], tau);
    return active;
  }
};

// kPixels pixels a thread, kThreads apart, all loaded before the first is
// solved: with few labels one pixel has too few loads on their way.
template <typename T, int kLabels, int kPixels, bool kStep>
__global__ void __launch_bounds__(kThreads, (MinBlocks<T, kLabels, kPixels>()))
    ForwardKernel(SimplexSizes sizes, SimplexView<const T> x,
                  SimplexView<const T> gradient, T step, T leak,
                  SimplexView<T> y) {
  const int labels = static_cast<int>(sizes.labels);
  const int64_t first =
      static_cast<int64_t>(blockIdx.x) * (kThreads * kPixels) + threadIdx.x;
  for (int64_t n = blockIdx.y; n < sizes.images; n += gridDim.y) {
    Registers<T, kLabels> pixel[kPixels];
#pragma unroll
    for (int k = 0; k < kPixels; ++k) {
      const int64_t p = first + k * kThreads;
      if (p >= sizes.pixels) break;
      pixel[k].template Load<kStep>(At(x, n, p), At(gradient, n, p), step,
                                    labels);
    }
#pragma unroll
    for (int k = 0; k < kPixels; ++k) {
      const int64_t p = first + k * kThreads;
      if (p >= sizes.pixels) break;
      pixel[k].Project(leak, labels);
      pixel[k].Store(At(y, n, p), labels);
    }
  }
}

// Any number of labels: y holds the differences to the largest label while the
// rounds go over it.
template <typename T, bool kStep>
__global__ void __launch_bounds__(kThreads, 8)
    ForwardLoopKernel(SimplexSizes sizes, SimplexView<const T> x,
                      SimplexView<const T> gradient, T step, T leak,
                      SimplexView<T> y) {
  const int64_t p = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (p >= sizes.pixels) return;
  for (int64_t n = blockIdx.y; n < sizes.images; n += gridDim.y) {
    const Pixel<const T> from = At(x, n, p), slope = At(gradient, n, p);
    const Pixel<T> to = At(y, n, p);
    Largest<T> largest;
    for (int64_t l = 0; l < sizes.labels; ++l) {
      const T v = Value<kStep>(from, slope, step, l);
      to.data[l * to.row] = v;
      largest.See(v);
    }
    const T origin = largest.Origin();
    T tau = FirstTau(largest, origin);
    Active<T> active;
    for (int64_t l = 0; l < sizes.labels; ++l) {
      const T v = to.data[l * to.row] - origin;
      to.data[l * to.row] = v;
      active.See(v, tau);
    }
    for (int64_t round = 1;; ++round) {
      tau = (active.sum - T(1)) / active.count;
      if (round >= sizes.labels) break;
      const T old = active.count;
      active = Active<T>();
      for (int64_t l = 0; l < sizes.labels; ++l) {
        active.See(to.data[l * to.row], tau);
      }
      if (active.count == old) break;  // the same set, so the same tau
    }
    for (int64_t l = 0; l < sizes.labels; ++l) {
      to.data[l * to.row] = Output(to.data[l * to.row], tau, leak);
    }
  }
}

// s_l g_l: the gradient of one label without the share of the mean.
template <typename T>
__device__ __forceinline__ T Scaled(bool active, T g, T leak) {
  return active ? g : Product(leak, g);
}

// r_l = s_l g_l - [l active] mean, mean = sum_l s_l g_l / K. A pixel without an
// active label was NaN, and so is its gradient. Inactive labels of an exact
// projection give 0 whatever g is.
template <typename T>
__device__ __forceinline__ T Gradient(bool active, T g, T mean, T rest,
                                      T leak) {
  if (active) return g - mean;
  return leak == T(0) ? rest : MultiplyAdd(leak, g, rest);
}

template <typename T, int kLabels, int kPixels>
__global__ void __launch_bounds__(kThreads, (MinBlocks<T, kLabels, kPixels>()))
    BackwardKernel(SimplexSizes sizes, SimplexView<const T> y,
                   SimplexView<const T> g, T leak, SimplexView<T> r) {
  const int labels = static_cast<int>(sizes.labels);
  const int64_t first =
      static_cast<int64_t>(blockIdx.x) * (kThreads * kPixels) + threadIdx.x;
  for (int64_t n = blockIdx.y; n < sizes.images; n += gridDim.y) {
    T v[kPixels][kLabels];
    unsigned active[kPixels];
#pragma unroll
    for (int k = 0; k < kPixels; ++k) {
      const int64_t p = first + k * kThreads;
      if (p >= sizes.pixels) break;
      const Pixel<const T> value = At(y, n, p), from = At(g, n, p);
      active[k] = 0;
#pragma unroll
      for (int l = 0; l < kLabels; ++l) {
        if (l < labels) {
          v[k][l] = __ldg(from.data + l * from.row);
          active[k] |= __ldg(value.data + l * value.row) > T(0) ? 1u << l : 0u;
        }
      }
    }
#pragma unroll
    for (int k = 0; k < kPixels; ++k) {
      const int64_t p = first + k * kThreads;
      if (p >= sizes.pixels) break;
      T sum = 0;
#pragma unroll
      for (int l = 0; l < kLabels; ++l) {
        const bool is_active = active[k] >> l & 1u;
        if (l < labels && (is_active || leak != T(0))) {
          sum += Scaled(is_active, v[k][l], leak);
        }
      }
      const T mean = sum / static_cast<T>(__popc(active[k]));
      const T rest = active[k] == 0 ? mean - mean : T(0);  // NaN or 0
      const Pixel<T> to = At(r, n, p);
#pragma unroll
      for (int l = 0; l < kLabels; ++l) {
        if (l < labels) {
          to.data[l * to.row] =
              Gradient(active[k] >> l & 1u, v[k][l], mean, rest, leak);
        }
      }
    }
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    BackwardLoopKernel(SimplexSizes sizes, SimplexView<const T> y,
                       SimplexView<const T> g, T leak, SimplexView<T> r) {
  const int64_t p = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (p >= sizes.pixels) return;
  for (int64_t n = blockIdx.y; n < sizes.images; n += gridDim.y) {
    const Pixel<const T> value = At(y, n, p), from = At(g, n, p);
    const Pixel<T> to = At(r, n, p);
    T sum = 0, count = 0;
    for (int64_t l = 0; l < sizes.labels; ++l) {
      const bool active = __ldg(value.data + l * value.row) > T(0);
      const T v = __ldg(from.data + l * from.row);
      count += active ? T(1) : T(0);
      if (active || leak != T(0)) sum += Scaled(active, v, leak);
    }
    const T mean = sum / count;
    const T rest = count == T(0) ? mean - mean : T(0);
    for (int64_t l = 0; l < sizes.labels; ++l) {
      const bool active = __ldg(value.data + l * value.row) > T(0);
      const T v = __ldg(from.data + l * from.row);
      to.data[l * to.row] = Gradient(active, v, mean, rest, leak);
    }
  }
}

dim3 Grid(const SimplexSizes& sizes, int pixels_a_thread) {
  const int64_t block = static_cast<int64_t>(kThreads) * pixels_a_thread;
  return dim3(static_cast<unsigned>((sizes.pixels + block - 1) / block),
              static_cast<unsigned>(sizes.images < kMaxGridY ? sizes.images
                                                             : kMaxGridY));
}

template <typename T, int kLabels, int kPixels>
cudaError_t LaunchForward(const SimplexSizes& sizes,
                          const SimplexView<const T>& x,
                          const SimplexView<const T>& gradient, T step, T leak,
                          const SimplexView<T>& y, cudaStream_t stream) {
  const dim3 grid = Grid(sizes, kPixels);
  return gradient.data == nullptr
             ? cuda::Launch(ForwardKernel<T, kLabels, kPixels, false>, grid,
                            kThreads, 0, stream, sizes, x, gradient, step, leak,
                            y)
             : cuda::Launch(ForwardKernel<T, kLabels, kPixels, true>, grid,
                            kThreads, 0, stream, sizes, x, gradient, step, leak,
                            y);
}

}  // namespace

template <typename T>
cudaError_t SimplexForwardCuda(const SimplexSizes& sizes,
                               const SimplexView<const T>& x,
                               const SimplexView<const T>& gradient, T step,
                               T leak, const SimplexView<T>& y,
                               cudaStream_t stream) {
  const auto launch = [&](auto function) {
    return function(sizes, x, gradient, step, leak, y, stream);
  };
  if (sizes.labels <= 2) return launch(LaunchForward<T, 2, 4>);
  if (sizes.labels <= 4) return launch(LaunchForward<T, 4, 2>);
  if (sizes.labels <= 8) return launch(LaunchForward<T, 8, 2>);
  if (sizes.labels <= 16) return launch(LaunchForward<T, 16, 1>);
  if (sizes.labels <= 24) return launch(LaunchForward<T, 24, 1>);
  if (sizes.labels <= 32) return launch(LaunchForward<T, 32, 1>);
  return gradient.data == nullptr
             ? cuda::Launch(ForwardLoopKernel<T, false>, Grid(sizes, 1),
                            kThreads, 0, stream, sizes, x, gradient, step, leak,
                            y)
             : cuda::Launch(ForwardLoopKernel<T, true>, Grid(sizes, 1),
                            kThreads, 0, stream, sizes, x, gradient, step, leak,
                            y);
}

template <typename T>
cudaError_t SimplexBackwardCuda(const SimplexSizes& sizes,
                                const SimplexView<const T>& y,
                                const SimplexView<const T>& g, T leak,
                                const SimplexView<T>& r, cudaStream_t stream) {
  const auto launch = [&](auto kernel, int pixels_a_thread) {
    return cuda::Launch(kernel, Grid(sizes, pixels_a_thread), kThreads, 0,
                        stream, sizes, y, g, leak, r);
  };
  if (sizes.labels <= 2) return launch(BackwardKernel<T, 2, 4>, 4);
  if (sizes.labels <= 4) return launch(BackwardKernel<T, 4, 2>, 2);
  if (sizes.labels <= 8) return launch(BackwardKernel<T, 8, 2>, 2);
  if (sizes.labels <= 16) return launch(BackwardKernel<T, 16, 1>, 1);
  if (sizes.labels <= 24) return launch(BackwardKernel<T, 24, 1>, 1);
  if (sizes.labels <= 32) return launch(BackwardKernel<T, 32, 1>, 1);
  return launch(BackwardLoopKernel<T>, 1);
}

#define SEG_INSTANTIATE(T)                                                     \
  template cudaError_t SimplexForwardCuda(                                     \
      const SimplexSizes&, const SimplexView<const T>&,                        \
      const SimplexView<const T>&, T, T, const SimplexView<T>&, cudaStream_t); \
  template cudaError_t SimplexBackwardCuda(                                    \
      const SimplexSizes&, const SimplexView<const T>&,                        \
      const SimplexView<const T>&, T, const SimplexView<T>&, cudaStream_t)
SEG_INSTANTIATE(float);
SEG_INSTANTIATE(double);
#undef SEG_INSTANTIATE

}  // namespace seg
