// What a test of kernels says to the device, and hears from it (README.md): to
// the emulator, or to a card where the test is built for one.
#ifndef COMMON_TESTING_CUDA_EMULATOR_EMULATOR_H_
#define COMMON_TESTING_CUDA_EMULATOR_EMULATOR_H_

#ifdef SEG_CUDA_EMULATOR
#include "common/testing/cuda_emulator/emulated_device.h"
#else
#include "common/testing/cuda_emulator/card.h"
#endif

#endif  // COMMON_TESTING_CUDA_EMULATOR_EMULATOR_H_
