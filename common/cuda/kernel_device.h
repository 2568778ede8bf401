// kernel.h on the card, by nvcc. Include kernel.h.
#ifndef COMMON_CUDA_KERNEL_DEVICE_H_
#define COMMON_CUDA_KERNEL_DEVICE_H_

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <mutex>
#include <utility>

#define SEG_SHARED(type, name, count) __shared__ __align__(16) type name[count]

namespace seg {
namespace cuda {

// Lets a kernel have so much dynamic shared memory, which without leave is 48
// KB less its static arrays. Never lowers what it may have: another thread may
// be about to launch it with more.
inline cudaError_t AllowShared(const void* kernel, int bytes) {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  cudaFuncAttributes attributes;
  const cudaError_t error = cudaFuncGetAttributes(&attributes, kernel);
  if (error != cudaSuccess || bytes <= attributes.maxDynamicSharedSizeBytes) {
    return error;
  }
  return cudaFuncSetAttribute(
      kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
}

template <typename... Parameters, typename... Arguments>
cudaError_t LaunchCluster(void (*kernel)(Parameters...), dim3 grid, dim3 block,
                          int cluster, size_t shared_bytes, cudaStream_t stream,
                          Arguments&&... arguments) {
  constexpr int kPortableCluster = 8;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return cudaSuccess;
  cudaError_t error = cudaSuccess;
  const void* function = reinterpret_cast<const void*>(kernel);
  if (shared_bytes > 0) {
    error = AllowShared(function, static_cast<int>(shared_bytes));
  }
  if (error == cudaSuccess && cluster > kPortableCluster) {
    error = cudaFuncSetAttribute(
        function, cudaFuncAttributeNonPortableClusterSizeAllowed, 1);
  }
  if (error == cudaSuccess) {
    cudaLaunchAttribute attribute = {};
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim.x = cluster;
    attribute.val.clusterDim.y = 1;
    attribute.val.clusterDim.z = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = shared_bytes;
    config.stream = stream;
    config.attrs = &attribute;
    config.numAttrs = cluster > 1 ? 1 : 0;
    error = cudaLaunchKernelEx(&config, kernel,
                               std::forward<Arguments>(arguments)...);
  }
  // A refused launch also sets the runtime's last error, which the next caller
  // of cudaGetLastError would take for its own.
  if (error != cudaSuccess) cudaGetLastError();
  return error;
}

template <typename... Parameters, typename... Arguments>
cudaError_t Launch(void (*kernel)(Parameters...), dim3 grid, dim3 block,
                   size_t shared_bytes, cudaStream_t stream,
                   Arguments&&... arguments) {
  return LaunchCluster(kernel, grid, block, 1, shared_bytes, stream,
                       std::forward<Arguments>(arguments)...);
}

template <typename T>
__device__ __forceinline__ T* DynamicShared() {
  extern __shared__ __align__(128) unsigned char seg_dynamic_shared[];
  return reinterpret_cast<T*>(seg_dynamic_shared);
}

__device__ __forceinline__ int ClusterRank() {
  unsigned rank = 0;
#if __CUDA_ARCH__ >= 900
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
#endif
  return static_cast<int>(rank);
}

__device__ __forceinline__ int ClusterSize() {
  unsigned size = 1;
#if __CUDA_ARCH__ >= 900
  asm volatile("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
#endif
  return static_cast<int>(size);
}

__device__ __forceinline__ void ClusterSync() {
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "barrier.cluster.arrive.release;\n"
      "barrier.cluster.wait.acquire;" ::
          : "memory");
#else
  __syncthreads();
#endif
}

template <typename T>
__device__ __forceinline__ T* ClusterMap(T* shared, int rank) {
#if __CUDA_ARCH__ >= 900
  unsigned long long place;
  asm volatile("mapa.u64 %0, %1, %2;"
               : "=l"(place)
               : "l"(reinterpret_cast<unsigned long long>(shared)), "r"(rank));
  return reinterpret_cast<T*>(place);
#else
  return shared;
#endif
}

template <int BYTES>
__device__ __forceinline__ void CopyAsyncZero(void* shared, const void* global,
                                              bool valid) {
  static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "4, 8 or 16 bytes");
  const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  const int from_bytes = valid ? BYTES : 0;
  if (BYTES == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to),
                 "l"(global), "r"(from_bytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to),
                 "l"(global), "n"(BYTES), "r"(from_bytes)
                 : "memory");
  }
}

template <int BYTES>
__device__ __forceinline__ void CopyAsync(void* shared, const void* global) {
  static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "4, 8 or 16 bytes");
  const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  if (BYTES == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to),
                 "l"(global)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(to),
                 "l"(global), "n"(BYTES)
                 : "memory");
  }
}

__device__ __forceinline__ void CommitCopies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

template <int N>
__device__ __forceinline__ void WaitForCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

}  // namespace cuda
}  // namespace seg

#endif  // COMMON_CUDA_KERNEL_DEVICE_H_
