#include "common/cuda/kernel.h"
#include "common/testing/cuda_emulator/test_kernels.h"

namespace seg {
namespace cuda {
namespace test_kernels {
namespace {

constexpr unsigned kAllLanes = 0xffffffffu;

__global__ void __launch_bounds__(128)
    SumKernel(const int* __restrict__ x, int n, int* sum) {
  SEG_SHARED(int, parts, 128);
  int own = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n;
       i += gridDim.x * blockDim.x) {
    own += x[i];
  }
  parts[threadIdx.x] = own;
  for (unsigned half = 64; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
  }
  if (threadIdx.x == 0) atomicAdd(sum, parts[0]);
}

template <typename T>
__device__ __forceinline__ T WarpScan(T value) {
  const int lane = threadIdx.x % warpSize;
#pragma unroll
  for (int step = 1; step < warpSize; step *= 2) {
    const T before = __shfl_up_sync(kAllLanes, value, step);
    if (lane >= step) value += before;
  }
  return value;
}

template <typename T>
__global__ void ScanKernel(const T* __restrict__ x, T* __restrict__ y) {
  T* const warp_sums = DynamicShared<T>();
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const int warp = threadIdx.x / warpSize;
  T value = WarpScan(x[i]);
  if (threadIdx.x % warpSize == warpSize - 1) warp_sums[warp] = value;
  __syncthreads();
  for (int before = 0; before < warp; ++before) value += warp_sums[before];
  y[i] = value;
}

__global__ void LastBlockAddsKernel(const float* x, int n, float* partial,
                                    unsigned* arrived, bool fence, float* sum) {
  SEG_SHARED(bool, is_last, 1);
  if (threadIdx.x == 0) {
    float own = 0;
    for (int i = 0; i < n; ++i) own += x[blockIdx.x * n + i];
    partial[blockIdx.x] = own;
    if (fence) __threadfence();
    is_last[0] = atomicAdd(arrived, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (!is_last[0] || threadIdx.x != 1) return;
  float all = 0;
  for (unsigned block = 0; block < gridDim.x; ++block) all += partial[block];
  *sum = all;
}

__global__ void VotesKernel(const int* x, int* y) {
  const int lane = threadIdx.x;
  const bool lower = lane < 16;
  const unsigned mask = lower ? 0xffffu : 0xffff0000u;
  const int value = x[lane];
  int* const out = y + lane * 10;
  if (lower) {
    out[0] = __ballot_sync(mask, value > 2);
    out[1] = __any_sync(mask, value > 6);
  } else {
    out[1] = __any_sync(mask, value > 6);
    out[0] = __ballot_sync(mask, value > 2);
  }
  out[2] = __all_sync(mask, value >= 0);
  out[3] = __match_any_sync(mask, value);
  out[4] = __shfl_sync(mask, value, lower ? 3 : 19);
  out[5] = __shfl_up_sync(mask, value, 2, 16);
  out[6] = __shfl_down_sync(mask, value, 2, 16);
  out[7] = __shfl_xor_sync(mask, value, 5, 16);
  out[8] = static_cast<int>(__shfl_sync(kAllLanes, 1e300 * value, 31) / 1e300);
  out[9] = __reduce_max_sync(mask, -value);
}

__global__ void InsertKeysKernel(const unsigned* keys, int n, unsigned* table,
                                 int size, unsigned* count) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  for (int slot = keys[i] % size;; slot = (slot + 1) % size) {
    const unsigned found = atomicCAS(&table[slot], 0u, keys[i]);
    if (found == 0u) atomicAdd(count, 1u);
    if (found == 0u || found == keys[i]) return;
  }
}

__global__ void MirrorKernel(const float* x, ClusterFault fault, float* y) {
  SEG_SHARED(float, first, 32);
  float* const second = DynamicShared<float>();
  const int i = threadIdx.x;
  first[i] = x[blockIdx.x * 64 + i];
  second[i] = x[blockIdx.x * 64 + 32 + i];
  if (fault != ClusterFault::kNoSyncBefore) ClusterSync();
  const int mirrored = ClusterSize() - 1 - ClusterRank();
  y[blockIdx.x * 64 + i] = ClusterMap(first, mirrored)[i];
  y[blockIdx.x * 64 + 32 + i] = *ClusterMap(&second[i], mirrored);
  if (fault != ClusterFault::kNoSyncAfter) ClusterSync();
}

__global__ void RingKernel(const float* __restrict__ x, int rounds,
                           RingFault fault, float* __restrict__ y) {
  constexpr int kSlots = 3;
  float* const ring = DynamicShared<float>();
  const int i = threadIdx.x;
  const int size = blockDim.x;
  const auto issue = [&](int round) {
    // Past the end a group without copies keeps the count.
    if (round < rounds) {
      CopyAsync<4>(&ring[round % kSlots * size + i], &x[round * size + i]);
    }
    CommitCopies();
  };
  issue(0);
  issue(1);
  for (int round = 0; round < rounds; ++round) {
    if (fault == RingFault::kOverwritesTooEarly) issue(round + 2);
    if (fault != RingFault::kNoWait) WaitForCopies<1>();
    if (fault != RingFault::kNoBarrier) __syncthreads();
    // Everybody has done with the slot before this one.
    if (fault != RingFault::kOverwritesTooEarly) issue(round + 2);
    const int other = (i + 1) % size;
    y[round * size + other] = 2 * ring[round % kSlots * size + other];
  }
}

__global__ void ReverseKernel(Fault fault, const float* x, float* y) {
  SEG_SHARED(float, rows, 64);
  float* const dynamic = DynamicShared<float>();
  const int i = threadIdx.x;
  const int lane = i % warpSize;
  rows[i] = x[i];
  switch (fault) {
    case Fault::kMissingBarrier:
      break;
    case Fault::kMissingSecondBarrier:
      __syncthreads();
      rows[i] = 2 * rows[63 - i];
      break;
    case Fault::kMissingWarpBarrier:
      dynamic[i] = x[i];
      y[i] = dynamic[i ^ 1];
      break;
    case Fault::kPlainIncrement:
      y[0] += 1;
      break;
    case Fault::kDivergentReturn:
      if (i == 33) return;
      __syncthreads();
      break;
    case Fault::kDivergentSite:
      if (i < 32) {
        __syncthreads();
      } else {
        __syncthreads();
      }
      break;
    case Fault::kSharedBelow:
      if (i == 0) rows[i - 1] = 0;
      break;
    case Fault::kSharedAbove:
      if (i == 63) rows[i + 1] = 0;
      break;
    case Fault::kDynamicAbove:
      if (i == 63) dynamic[i + 1] = 0;
      break;
    case Fault::kUnwritten:
      y[i] = dynamic[i];
      break;
    case Fault::kGlobalAbove:
      if (i == 63) y[i + 1] = 0;
      break;
    case Fault::kMisaligned:
      if (i < 15) {
        reinterpret_cast<float4*>(y + 1)[i] = make_float4(0, 0, 0, 0);
      }
      break;
    case Fault::kLaneAbsent:
      if (lane < 16) y[i] = __shfl_xor_sync(kAllLanes, x[i], 1);
      break;
    case Fault::kLaneReturned:
      if (lane == 31) return;
      y[i] = __shfl_up_sync(kAllLanes, x[i], 1);
      break;
    case Fault::kLaneOutsideMask:
      if (lane < 16) y[i] = __shfl_xor_sync(0xffffu, x[i], 16);
      break;
    case Fault::kLaneMissing:
    case Fault::kNone:
      break;
    case Fault::kNotInMask:
      __syncwarp(0xfffeu);
      break;
    case Fault::kTrap:
      if (i == 5) __trap();
      break;
    case Fault::kEndlessLoop:
      while (*const_cast<const volatile float*>(y) == 0) {
      }
      break;
  }
  if (fault != Fault::kMissingBarrier) __syncthreads();
  y[i] = rows[63 - i];
}

// With 48 threads half of the second warp is not there.
__global__ void HalfWarpKernel(float* y) {
  y[threadIdx.x] = __shfl_xor_sync(kAllLanes, 1.0f, 16);
}

__global__ void NothingKernel() {}

__global__ void TooMuchStaticKernel(float* y) {
  SEG_SHARED(float, most, 8 << 10);
  SEG_SHARED(float, rest, 4 << 10);
  if (y != nullptr) *y = most[threadIdx.x] + rest[threadIdx.x];
}

}  // namespace

cudaError_t Sum(const int* x, int n, int* sum, cudaStream_t stream) {
  const cudaError_t error = cudaMemsetAsync(sum, 0, sizeof(*sum), stream);
  if (error != cudaSuccess || n == 0) return error;
  return Launch(SumKernel, dim3(3), dim3(128), 0, stream, x, n, sum);
}

cudaError_t Scan(const float* x, int blocks, float* y, cudaStream_t stream) {
  return Launch(ScanKernel<float>, dim3(blocks), dim3(96), 3 * sizeof(float),
                stream, x, y);
}

cudaError_t LastBlockAdds(const float* x, int blocks, int n, float* partial,
                          unsigned* arrived, bool fence, float* sum,
                          cudaStream_t stream) {
  return Launch(LastBlockAddsKernel, dim3(blocks), dim3(2), 0, stream, x, n,
                partial, arrived, fence, sum);
}

cudaError_t Votes(const int* x, int* y, cudaStream_t stream) {
  return Launch(VotesKernel, dim3(1), dim3(32), 0, stream, x, y);
}

cudaError_t InsertKeys(const unsigned* keys, int n, unsigned* table, int size,
                       unsigned* count, cudaStream_t stream) {
  return Launch(InsertKeysKernel, dim3((n + 63) / 64), dim3(64), 0, stream,
                keys, n, table, size, count);
}

cudaError_t MirrorInCluster(const float* x, int blocks, int cluster,
                            ClusterFault fault, float* y, cudaStream_t stream) {
  return LaunchCluster(MirrorKernel, dim3(blocks), dim3(32), cluster,
                       32 * sizeof(float), stream, x, fault, y);
}

cudaError_t Ring(const float* x, int rounds, RingFault fault, float* y,
                 cudaStream_t stream) {
  return Launch(RingKernel, dim3(1), dim3(64), 3 * 64 * sizeof(float), stream,
                x, rounds, fault, y);
}

cudaError_t Reverse(Fault fault, const float* x, float* y,
                    cudaStream_t stream) {
  if (fault == Fault::kLaneMissing) {
    return Launch(HalfWarpKernel, dim3(1), dim3(48), 0, stream, y);
  }
  return Launch(ReverseKernel, dim3(1), dim3(64), 64 * sizeof(float), stream,
                fault, x, y);
}

cudaError_t Nothing(unsigned grid, unsigned block, unsigned shared_bytes,
                    int cluster, cudaStream_t stream) {
  return LaunchCluster(NothingKernel, dim3(grid), dim3(block), cluster,
                       shared_bytes, stream);
}

cudaError_t TooMuchStatic(unsigned dynamic_bytes, cudaStream_t stream) {
  return Launch(TooMuchStaticKernel, dim3(1), dim3(32), dynamic_bytes, stream,
                static_cast<float*>(nullptr));
}

}  // namespace test_kernels
}  // namespace cuda
}  // namespace seg
