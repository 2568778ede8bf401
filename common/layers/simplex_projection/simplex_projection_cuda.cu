#include <cstdint>

#include "common/cuda/kernel.h"
#include "common/layers/simplex_projection/simplex_projection_cuda.h"

namespace seg {
namespace {

constexpr int kThreads = 128;  // of the loops over memory
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

// A kernel that holds labels in registers: kLeast to kMost of them, kPixels
// adjacent pixels a thread. With kMinBlocks blocks on a multiprocessor a thread
// has the registers to send for all its labels before it looks at the first.
template <int kLeastLabels, int kMostLabels, int kPixelsOfThread,
          int kThreadsOfBlock, int kBlocksOfMultiprocessor>
struct Shape {
  static constexpr int kLeast = kLeastLabels, kMost = kMostLabels;
  static constexpr int kPixels = kPixelsOfThread;
  static constexpr int kThreads = kThreadsOfBlock;
  static constexpr int kMinBlocks = kBlocksOfMultiprocessor;
};

// Adjacent pixels of one label, moved by one instruction. (Of a float2 assigned
// to memory nvcc makes two stores.)
template <typename T>
__device__ __forceinline__ void Get(const T* from, T (&to)[1]) {
  to[0] = *from;
}
__device__ __forceinline__ void Get(const float* from, float (&to)[2]) {
  const float2 v = *reinterpret_cast<const float2*>(from);
  to[0] = v.x;
  to[1] = v.y;
}
__device__ __forceinline__ void Get(const float* from, float (&to)[4]) {
  const float4 v = *reinterpret_cast<const float4*>(from);
  to[0] = v.x;
  to[1] = v.y;
  to[2] = v.z;
  to[3] = v.w;
}
template <typename T>
__device__ __forceinline__ void Put(const T (&from)[1], T* to) {
  *to = from[0];
}
__device__ __forceinline__ void Put(const float (&from)[2], float* to) {
  __stwb(reinterpret_cast<float2*>(to), make_float2(from[0], from[1]));
}
__device__ __forceinline__ void Put(const float (&from)[4], float* to) {
  __stwb(reinterpret_cast<float4*>(to),
         make_float4(from[0], from[1], from[2], from[3]));
}

// The labels of a thread's pixels.
template <typename S, typename T>
struct Values {
  T v[S::kMost][S::kPixels];

  // Labels beyond the last are loaded as the last one is: a branch would let
  // each load wait for the one before it to be used.
  __device__ __forceinline__ void Load(const Pixel<const T>& from, int labels) {
    const T* row = from.data;
#pragma unroll
    for (int l = 0; l < S::kMost; ++l) {
      Get(row, v[l]);
      if (Exists(l + 1, labels)) row += from.row;
    }
  }

  __device__ __forceinline__ void Store(const Pixel<T>& to, int labels) const {
    T* row = to.data;
#pragma unroll
    for (int l = 0; l < S::kMost; ++l) {
      if (!Exists(l, labels)) break;
      Put(v[l], row);
      row += to.row;
    }
  }

  static __device__ __forceinline__ bool Exists(int l, int labels) {
    return l < S::kLeast || l < labels;
  }

  // v becomes the projection. The rounds are those of the CPU core
  // (simplex_rows.cc), the order of sums too. Pixels go through them together:
  // one that is done keeps its threshold in further rounds.
  __device__ __forceinline__ void Project(T leak, int labels) {
    T tau[S::kPixels];
#pragma unroll
    for (int k = 0; k < S::kPixels; ++k) {
      Largest<T> largest;
#pragma unroll
      for (int l = 0; l < S::kMost; ++l) largest.See(v[l][k]);
      const T origin = largest.Origin();
      tau[k] = FirstTau(largest, origin);
#pragma unroll
      for (int l = 0; l < S::kMost; ++l) v[l][k] -= origin;
    }
    if (S::kLeast <= 2 && labels == 2) {  // closed form
#pragma unroll
      for (int k = 0; k < S::kPixels; ++k) {
        tau[k] = T(0.5) * (v[0][k] + v[1][k] - T(1));
        tau[k] = tau[k] > T(-1) ? tau[k] : T(-1);
      }
    } else {
      Active<T> active[S::kPixels];
#pragma unroll
      for (int k = 0; k < S::kPixels; ++k) active[k] = Above(k, tau[k]);
      for (int round = 1;; ++round) {
#pragma unroll
        for (int k = 0; k < S::kPixels; ++k) {
          tau[k] = (active[k].sum - T(1)) / active[k].count;
        }
        if (round >= labels) break;
        bool changed = false;
#pragma unroll
        for (int k = 0; k < S::kPixels; ++k) {
          const T old = active[k].count;
          active[k] = Above(k, tau[k]);
          changed = changed || active[k].count != old;
        }
        if (!changed) break;  // the same sets, so the same thresholds
      }
    }
#pragma unroll
    for (int l = 0; l < S::kMost; ++l) {
#pragma unroll
      for (int k = 0; k < S::kPixels; ++k) {
        v[l][k] = Output(v[l][k], tau[k], leak);
      }
    }
  }

 private:
  __device__ __forceinline__ Active<T> Above(int k, T tau) const {
    Active<T> active;
#pragma unroll
    for (int l = 0; l < S::kMost; ++l) active.See(v[l][k], tau);
    return active;
  }
};

// The first pixel of this thread.
template <typename S>
__device__ __forceinline__ int64_t FirstPixel() {
  return (static_cast<int64_t>(blockIdx.x) * S::kThreads + threadIdx.x) *
         S::kPixels;
}

template <typename S, typename T, bool kStep>
__global__ void __launch_bounds__(S::kThreads, S::kMinBlocks)
    ForwardKernel(SimplexSizes sizes, SimplexView<const T> x,
                  SimplexView<const T> gradient, T step, T leak,
                  SimplexView<T> y) {
  const int labels = static_cast<int>(sizes.labels);
  const int64_t p = FirstPixel<S>();
  if (p >= sizes.pixels) return;
  for (int64_t n = blockIdx.y; n < sizes.images; n += gridDim.y) {
    Values<S, T> value, slope;
    value.Load(At(x, n, p), labels);
    if (kStep) slope.Load(At(gradient, n, p), labels);
#pragma unroll
    for (int l = 0; l < S::kMost; ++l) {
#pragma unroll
      for (int k = 0; k < S::kPixels; ++k) {
        T& v = value.v[l][k];
        if (kStep) v = MultiplyAdd(-step, slope.v[l][k], v);
        if (!value.Exists(l, labels)) v = MinusInfinity<T>();  // never active
      }
    }
    value.Project(leak, labels);
    value.Store(At(y, n, p), labels);
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
  const T other = Product(leak, g);  // selected, not branched to
  return active ? g : other;
}

// r_l = s_l g_l - [l active] mean, mean = sum_l s_l g_l / K. A pixel without an
// active label was NaN, and so is its gradient. Inactive labels of an exact
// projection give 0 whatever g is.
template <typename T>
__device__ __forceinline__ T Gradient(bool active, T g, T mean, T rest,
                                      T leak) {
  const T projected = g - mean;
  const T leaked = MultiplyAdd(leak, g, rest);
  const T other = leak == T(0) ? rest : leaked;
  return active ? projected : other;
}

// g becomes the gradient, y is the projection. Everything is selected: a branch
// for each label would take longer than what it saves.
template <bool kLeaky, typename S, typename T>
__device__ __forceinline__ void PullBack(const Values<S, T>& y, int labels,
                                         T leak, Values<S, T>* g) {
#pragma unroll
  for (int k = 0; k < S::kPixels; ++k) {
    unsigned active = 0;
    T sum = 0;
#pragma unroll
    for (int l = 0; l < S::kMost; ++l) {
      const bool exists = y.Exists(l, labels);
      const bool is_active = exists && y.v[l][k] > T(0);
      if (is_active) active |= 1u << l;
      const T share = kLeaky ? Scaled(is_active, g->v[l][k], leak) : g->v[l][k];
      if (kLeaky ? exists : is_active) sum += share;
    }
    const T mean = sum / static_cast<T>(__popc(active));
    const T rest = active == 0 ? mean - mean : T(0);  // NaN or 0
#pragma unroll
    for (int l = 0; l < S::kMost; ++l) {
      T& v = g->v[l][k];
      v = Gradient(active >> l & 1u, v, mean, rest, kLeaky ? leak : T(0));
    }
  }
}

template <typename S, typename T>
__global__ void __launch_bounds__(S::kThreads, S::kMinBlocks)
    BackwardKernel(SimplexSizes sizes, SimplexView<const T> y,
                   SimplexView<const T> g, T leak, SimplexView<T> r) {
  const int labels = static_cast<int>(sizes.labels);
  const int64_t p = FirstPixel<S>();
  if (p >= sizes.pixels) return;
  for (int64_t n = blockIdx.y; n < sizes.images; n += gridDim.y) {
    Values<S, T> value, slope;
    value.Load(At(y, n, p), labels);
    slope.Load(At(g, n, p), labels);
    if (leak == T(0)) {
      PullBack<false>(value, labels, leak, &slope);
    } else {
      PullBack<true>(value, labels, leak, &slope);
    }
    slope.Store(At(r, n, p), labels);
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads, 8)
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

dim3 Grid(const SimplexSizes& sizes, int64_t pixels_a_block) {
  return dim3(static_cast<unsigned>((sizes.pixels + pixels_a_block - 1) /
                                    pixels_a_block),
              static_cast<unsigned>(sizes.images < kMaxGridY ? sizes.images
                                                             : kMaxGridY));
}

// Whether each group of `pixels` pixels can be moved at once.
template <typename T>
bool IsPacked(const SimplexView<T>& view, int64_t pixels) {
  return view.data == nullptr ||
         (view.pixel_stride == 1 && view.label_stride % pixels == 0 &&
          view.image_stride % pixels == 0 &&
          reinterpret_cast<uintptr_t>(view.data) % (pixels * sizeof(T)) == 0);
}

// How many pixels can be moved at once: 1, 2 or 4.
template <typename A, typename B, typename C>
int PixelsAtOnce(const SimplexSizes& sizes, const SimplexView<A>& a,
                 const SimplexView<B>& b, const SimplexView<C>& c) {
  for (int pixels : {4, 2}) {
    if (sizes.pixels % pixels == 0 && IsPacked(a, pixels) &&
        IsPacked(b, pixels) && IsPacked(c, pixels)) {
      return pixels;
    }
  }
  return 1;
}

template <typename S, typename T>
cudaError_t LaunchForward(const SimplexSizes& sizes,
                          const SimplexView<const T>& x,
                          const SimplexView<const T>& gradient, T step, T leak,
                          const SimplexView<T>& y, cudaStream_t stream) {
  return cuda::Launch(gradient.data == nullptr ? ForwardKernel<S, T, false>
                                               : ForwardKernel<S, T, true>,
                      Grid(sizes, S::kThreads * S::kPixels), S::kThreads, 0,
                      stream, sizes, x, gradient, step, leak, y);
}

template <typename S, typename T>
cudaError_t LaunchBackward(const SimplexSizes& sizes,
                           const SimplexView<const T>& y,
                           const SimplexView<const T>& g, T leak,
                           const SimplexView<T>& r, cudaStream_t stream) {
  return cuda::Launch(BackwardKernel<S, T>,
                      Grid(sizes, S::kThreads * S::kPixels), S::kThreads, 0,
                      stream, sizes, y, g, leak, r);
}

// Calls function(Shape) for so many labels, of which `at_once` pixels can be
// moved at once; false where registers cannot hold them. Four labels a step: a
// kernel then loads three in vain at most. Pixels and blocks are those that
// were fastest on one H100 for eight images of 500x375.
template <typename Function>
bool WithShape(float, int64_t labels, int at_once, const Function& function) {
  if (at_once >= 4) {
    if (labels <= 2) return function(Shape<1, 2, 4, 128, 8>()), true;
    if (labels <= 4) return function(Shape<3, 4, 4, 128, 6>()), true;
  }
  if (at_once >= 2 && labels > 4) {
    if (labels <= 8) return function(Shape<5, 8, 2, 128, 8>()), true;
    if (labels <= 12) return function(Shape<9, 12, 2, 128, 5>()), true;
    if (labels <= 16) return function(Shape<13, 16, 2, 128, 5>()), true;
    if (labels <= 20) return function(Shape<17, 20, 2, 128, 4>()), true;
    if (labels <= 24) return function(Shape<21, 24, 2, 128, 3>()), true;
    if (labels <= 28) return function(Shape<25, 28, 2, 128, 3>()), true;
    if (labels <= 32) return function(Shape<29, 32, 2, 128, 3>()), true;
  }
  if (labels <= 2) return function(Shape<1, 2, 1, 256, 8>()), true;
  if (labels <= 4) return function(Shape<3, 4, 1, 128, 16>()), true;
  if (labels <= 8) return function(Shape<5, 8, 1, 128, 12>()), true;
  if (labels <= 12) return function(Shape<9, 12, 1, 256, 5>()), true;
  if (labels <= 16) return function(Shape<13, 16, 1, 256, 4>()), true;
  if (labels <= 20) return function(Shape<17, 20, 1, 256, 3>()), true;
  if (labels <= 24) return function(Shape<21, 24, 1, 256, 3>()), true;
  if (labels <= 28) return function(Shape<25, 28, 1, 256, 2>()), true;
  if (labels <= 32) return function(Shape<29, 32, 1, 256, 2>()), true;
  return false;
}
template <typename Function>
bool WithShape(double, int64_t labels, int /*at_once*/,
               const Function& function) {
  if (labels <= 4) return function(Shape<1, 4, 1, 128, 8>()), true;
  if (labels <= 8) return function(Shape<5, 8, 1, 128, 6>()), true;
  if (labels <= 16) return function(Shape<9, 16, 1, 128, 4>()), true;
  if (labels <= 24) return function(Shape<17, 24, 1, 128, 3>()), true;
  if (labels <= 32) return function(Shape<25, 32, 1, 128, 2>()), true;
  return false;
}

}  // namespace

template <typename T>
cudaError_t SimplexForwardCuda(const SimplexSizes& sizes,
                               const SimplexView<const T>& x,
                               const SimplexView<const T>& gradient, T step,
                               T leak, const SimplexView<T>& y,
                               cudaStream_t stream) {
  if (sizes.labels == 0) return cudaSuccess;
  const int at_once = PixelsAtOnce(sizes, x, gradient, y);
  cudaError_t error = cudaSuccess;
  const auto launch = [&](auto shape) {
    error = LaunchForward<decltype(shape)>(sizes, x, gradient, step, leak, y,
                                           stream);
  };
  if (WithShape(T(), sizes.labels, at_once, launch)) return error;
  return cuda::Launch(gradient.data == nullptr ? ForwardLoopKernel<T, false>
                                               : ForwardLoopKernel<T, true>,
                      Grid(sizes, kThreads), kThreads, 0, stream, sizes, x,
                      gradient, step, leak, y);
}

template <typename T>
cudaError_t SimplexBackwardCuda(const SimplexSizes& sizes,
                                const SimplexView<const T>& y,
                                const SimplexView<const T>& g, T leak,
                                const SimplexView<T>& r, cudaStream_t stream) {
  if (sizes.labels == 0) return cudaSuccess;
  const int at_once = PixelsAtOnce(sizes, y, g, r);
  cudaError_t error = cudaSuccess;
  const auto launch = [&](auto shape) {
    error = LaunchBackward<decltype(shape)>(sizes, y, g, leak, r, stream);
  };
  if (WithShape(T(), sizes.labels, at_once, launch)) return error;
  return cuda::Launch(BackwardLoopKernel<T>, Grid(sizes, kThreads), kThreads, 0,
                      stream, sizes, y, g, leak, r);
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
