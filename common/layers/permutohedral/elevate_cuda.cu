// Points are elevated twice, first for the range of the quotients, then for the
// keys: cheaper than to store the quotients.
#include <climits>
#include <cmath>

#include "common/cuda/kernel.h"
#include "common/layers/permutohedral/elevate_cuda.h"
#include "common/layers/permutohedral/simplex_cuda.h"

namespace seg {
namespace cuda {
namespace {

using elevate::Elevate;
using elevate::Input;
using elevate::Simplex;

constexpr int kReachThreads = 256;
constexpr int kKeyThreads = 128;
constexpr int kKinds = 4;

__global__ void ResetState(LatticeState* state) {
  for (int i = 0; i < kLatticeMaxDim; ++i) {
    for (int kind = 0; kind < kKinds; ++kind) state->reach[kind][i] = INT_MIN;
  }
  state->error = kLatticeGood;
  state->vertices = 0;
  state->key_bits = 0;
  state->sort_bits = 0;
  state->largest = 0;
  state->blocks_done = 0;
}

__device__ inline int BitsFor(int range) {  // of the numbers 0 .. range
  return range <= 0 ? 0 : 32 - __clz(range);
}

// The layout of the keys, by the one thread that knows all ranges.
__device__ void PlanKeys(LatticeState* state, int dim, int64_t images,
                         int max_key_bits) {
  LatticeKeys& keys = state->keys;
  keys.dim = dim;
  keys.remainder_bits = BitsFor(dim);
  int at = keys.remainder_bits;
  if (state->error != kLatticeGood) return;
  for (int i = 0; i < dim; ++i) {
    // A vertex of remainder r > 0 may have a quotient one below vertex 0's.
    const int low = -state->reach[1][i] - 1;
    keys.bits[i] = BitsFor(state->reach[0][i] - low);
    keys.base[i] = low;
    keys.differs[i] = 0;
    if (i + 1 < dim) {
      const int low_difference = -state->reach[3][i] - 1;
      const int bits = BitsFor(state->reach[2][i] + 1 - low_difference);
      if (bits < keys.bits[i]) {
        keys.bits[i] = bits;
        keys.base[i] = low_difference;
        keys.differs[i] = 1;
      }
    }
    keys.shift[i] = at;
    at += keys.bits[i];
  }
  keys.image_shift = at;
  at += BitsFor(static_cast<int>(images - 1));
  state->key_bits = at;
  if (at > max_key_bits) {
    state->error = kLatticeMoreBits;
  } else {
    state->sort_bits = at;
  }
}

template <typename T, int DIM>
__global__ void __launch_bounds__(kReachThreads, 2)
    MeasureReach(const Input<T> in, int max_key_bits, LatticeState* state) {
  constexpr int kDims = DIM > 0 ? DIM : kLatticeMaxDim;
  SEG_SHARED(int, most, kKinds* kDims);
  SEG_SHARED(int, largest, 1);
  SEG_SHARED(int, bad, 1);
  const int dim = DIM > 0 ? DIM : in.dim;
  const int thread = static_cast<int>(threadIdx.x);
  for (int i = thread; i < kKinds * kDims; i += kReachThreads) {
    most[i] = INT_MIN;
  }
  if (thread == 0) {
    largest[0] = 0;
    bad[0] = 0;
  }
  __syncthreads();
  int reach[kKinds][kDims];
#pragma unroll
  for (int i = 0; i < dim; ++i) {
#pragma unroll
    for (int kind = 0; kind < kKinds; ++kind) reach[kind][i] = INT_MIN;
  }
  int far = 0;
  int good = 1;
  const int64_t total = in.images * in.points;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kReachThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kReachThreads + thread;
       i < total; i += step) {
    Simplex<T, DIM> s;
    const int64_t image = i / in.points;
    if (!Elevate(in, image, i - image * in.points, &s)) {
      good = 0;
      continue;
    }
#pragma unroll
    for (int k = 0; k <= dim; ++k) far = max(far, abs(s.quotient[k]));
#pragma unroll
    for (int k = 0; k < dim; ++k) {
      const int q = s.quotient[k];
      const int difference = q - s.quotient[k + 1];
      reach[0][k] = max(reach[0][k], q);
      reach[1][k] = max(reach[1][k], -q);
      reach[2][k] = max(reach[2][k], difference);
      reach[3][k] = max(reach[3][k], -difference);
    }
  }
  const bool leader = thread % 32 == 0;
#pragma unroll
  for (int k = 0; k < dim; ++k) {
#pragma unroll
    for (int kind = 0; kind < kKinds; ++kind) {
      const int value = __reduce_max_sync(~0u, reach[kind][k]);
      if (leader) atomicMax(&most[kind * kDims + k], value);
    }
  }
  far = __reduce_max_sync(~0u, far);
  if (leader) atomicMax(&largest[0], far);
  if (good == 0) atomicExch(&bad[0], 1);
  __syncthreads();
  if (thread < kKinds * kDims && thread % kDims < dim) {
    atomicMax(&state->reach[thread / kDims][thread % kDims], most[thread]);
  }
  if (thread == 0) {
    atomicMax(&state->largest, largest[0]);
    if (bad[0] != 0) atomicExch(&state->error, int{kLatticeOutOfRange});
  }
  __threadfence();
  __syncthreads();
  if (thread != 0) return;
  const int done = atomicAdd(&state->blocks_done, 1);
  if (done + 1 < static_cast<int>(gridDim.x)) return;
  __threadfence();
  PlanKeys(state, dim, in.images, max_key_bits);
}

template <typename T, int DIM>
__global__ void __launch_bounds__(kKeyThreads)
    PackKeys(const Input<T> in, const LatticeState* state, T* weights,
             uint64_t* keys) {
  const int dim = DIM > 0 ? DIM : in.dim;
  const int corners = dim + 1;
  const int thread = static_cast<int>(threadIdx.x);
  uint64_t* staged_keys = DynamicShared<uint64_t>();
  T* staged_weights = reinterpret_cast<T*>(staged_keys + kKeyThreads * corners);
  const int64_t total = in.images * in.points;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kKeyThreads;
  const int64_t i = first + thread;
  const bool broken = state->error != kLatticeGood;
  if (i < total) {
    const LatticeKeys& layout = state->keys;
    const int64_t image = i / in.points;
    Simplex<T, DIM> s;
    uint64_t key = 0;
    uint64_t unit[Simplex<T, DIM>::kCorners];  // of a quotient
    if (!broken && Elevate(in, image, i - image * in.points, &s)) {
      key = static_cast<uint64_t>(image) << layout.image_shift;
      unit[dim] = 0;
#pragma unroll
      for (int k = 0; k < dim; ++k) {
        int field = s.quotient[k] - layout.base[k];
        if (layout.differs[k] != 0) field -= s.quotient[k + 1];
        key += static_cast<uint64_t>(field) << layout.shift[k];
        unit[k] = uint64_t{1} << layout.shift[k];
        if (k > 0 && layout.differs[k - 1] != 0) {
          unit[k] -= uint64_t{1} << layout.shift[k - 1];
        }
      }
    } else {
#pragma unroll
      for (int k = 0; k <= dim; ++k) {
        s.weight[k] = 0;
        s.rank[k] = 0;
        unit[k] = 0;
      }
    }
#pragma unroll
    for (int r = 0; r <= dim; ++r) {
      // From remainder r-1 to r the quotient of the axis of rank d+1-r drops.
      if (r > 0 && !broken) {
        ++key;
#pragma unroll
        for (int k = 0; k <= dim; ++k) {
          if (s.rank[k] == corners - r) key -= unit[k];
        }
      }
      staged_keys[thread * corners + r] = key;
      staged_weights[thread * corners + r] = s.weight[r];
    }
  }
  __syncthreads();
  const int64_t points = min(static_cast<int64_t>(kKeyThreads), total - first);
  const int count = static_cast<int>(points) * corners;
  for (int k = thread; k < count; k += kKeyThreads) {
    keys[first * corners + k] = staged_keys[k];
    weights[first * corners + k] = staged_weights[k];
  }
}

template <typename T, int DIM>
cudaError_t Run(const Input<T>& in, const LatticeBuildArguments<T>& a,
                uint64_t* keys, cudaStream_t stream) {
  constexpr int64_t kMostBlocks = 1056;  // eight a multiprocessor of an H100
  const int64_t total = a.images * a.points;
  const int64_t blocks = (total + kReachThreads - 1) / kReachThreads;
  cudaError_t error = Launch(ResetState, 1, 1, 0, stream, a.state);
  if (error != cudaSuccess) return error;
  error =
      Launch(MeasureReach<T, DIM>,
             static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks),
             kReachThreads, 0, stream, in, a.max_key_bits, a.state);
  if (error != cudaSuccess) return error;
  const size_t shared =
      kKeyThreads * static_cast<size_t>(a.dim + 1) * (8 + sizeof(T));
  return Launch(PackKeys<T, DIM>,
                static_cast<unsigned>((total + kKeyThreads - 1) / kKeyThreads),
                kKeyThreads, shared, stream, in, a.state, a.weight, keys);
}

}  // namespace

template <typename T>
cudaError_t LatticeElevate(const LatticeBuildArguments<T>& a, uint64_t* keys,
                           cudaStream_t stream) {
  Input<T> in;
  in.features = a.features;
  in.image_stride = a.image_stride;
  in.point_stride = a.point_stride;
  in.dim_stride = a.dim_stride;
  in.images = a.images;
  in.points = a.points;
  in.dim = static_cast<int32_t>(a.dim);
  const double deviation =
      std::sqrt(2.0 / 3.0) * static_cast<double>(a.dim + 1);
  for (int64_t j = 1; j <= kLatticeMaxDim; ++j) {
    in.scale[j - 1] =
        static_cast<T>(deviation / std::sqrt(static_cast<double>(j) * (j + 1)));
  }
  if (a.dim == 5) return Run<T, 5>(in, a, keys, stream);
  if (a.dim == 2) return Run<T, 2>(in, a, keys, stream);
  return Run<T, 0>(in, a, keys, stream);
}

template cudaError_t LatticeElevate(const LatticeBuildArguments<float>&,
                                    uint64_t*, cudaStream_t);
template cudaError_t LatticeElevate(const LatticeBuildArguments<double>&,
                                    uint64_t*, cudaStream_t);

}  // namespace cuda
}  // namespace seg
