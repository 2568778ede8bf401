// What a `.cu` file includes in place of <cuda_runtime.h>. The same source is
// compiled by nvcc for the card and by the host compiler for the emulator of
// the tests (common/testing/cuda_emulator), which defines SEG_CUDA_EMULATOR.
//
// CUDA's own spelling holds for everything but what follows, which the host
// compiler cannot read or which only some cards have. Kernels lie in an unnamed
// namespace; __activemask, textures, CUB and inline PTX are not offered.
//
//   cudaError_t Launch(kernel, dim3 grid, dim3 block, size_t shared_bytes,
//                      cudaStream_t stream, arguments...)
//     In place of <<<>>>. Allows more than 48 KB of dynamic shared memory where
//     asked for. Returns the launch's error (and leaves none behind for others
//     to find); a grid with a zero is success, and nothing is launched.
//   cudaError_t LaunchCluster(kernel, grid, block, int cluster, shared_bytes,
//                             stream, arguments...)
//     The same in clusters of `cluster` blocks along x, a divisor of grid.x.
//
// In kernels:
//   T* DynamicShared<T>()           the dynamic shared memory, aligned to 128
//   SEG_SHARED(type, name, count)   a static shared array, aligned to 16;
//                                   `count` is a constant
//   int ClusterRank(), ClusterSize()
//   void ClusterSync()              barrier of all threads of the cluster
//   T* ClusterMap(T* shared, int rank)
//     The place of `shared` in the block `rank` of the cluster. That block must
//     have started (ClusterSync before the first access) and must not have
//     ended (ClusterSync after the last). Below sm_90 a cluster is one block.
//   CopyAsync<BYTES>(void* shared, const void* global)   4, 8 or 16, aligned
//   CopyAsyncZero<BYTES>(shared, global, bool valid)     zeros where not valid
//   CommitCopies()                  what this thread issued since is a group
//   WaitForCopies<N>()              all but the newest N groups have arrived,
//                                   for this thread; others need a barrier too
#ifndef COMMON_CUDA_KERNEL_H_
#define COMMON_CUDA_KERNEL_H_

#include "common/cuda/runtime.h"

#ifdef SEG_CUDA_EMULATOR
#include "common/testing/cuda_emulator/kernel_api.h"
#else
#include "common/cuda/kernel_device.h"
#endif

#endif  // COMMON_CUDA_KERNEL_H_
