// cudaError_t and cudaStream_t, for the headers of launchers: plain C++, the
// same on the card and in the emulator.
#ifndef COMMON_CUDA_RUNTIME_H_
#define COMMON_CUDA_RUNTIME_H_

#ifdef SEG_CUDA_EMULATOR
#include "common/testing/cuda_emulator/runtime_api.h"
#else
#include <cuda_runtime_api.h>
#endif

#endif  // COMMON_CUDA_RUNTIME_H_
