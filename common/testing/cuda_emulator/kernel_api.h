// kernel.h in the emulator: CUDA's names for the host compiler. Include
// common/cuda/kernel.h.
#ifndef COMMON_TESTING_CUDA_EMULATOR_KERNEL_API_H_
#define COMMON_TESTING_CUDA_EMULATOR_KERNEL_API_H_

#define __global__
#define __constant__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) __attribute__((aligned(bytes)))

#include "common/testing/cuda_emulator/arithmetic.h"
#include "common/testing/cuda_emulator/atomics.h"
#include "common/testing/cuda_emulator/launch.h"
#include "common/testing/cuda_emulator/shared_memory.h"
#include "common/testing/cuda_emulator/vector_types.h"
#include "common/testing/cuda_emulator/warp.h"

#endif  // COMMON_TESTING_CUDA_EMULATOR_KERNEL_API_H_
