// Where the shared memory of the blocks of a cluster lies.
#ifndef COMMON_TESTING_CUDA_EMULATOR_ARENA_H_
#define COMMON_TESTING_CUDA_EMULATOR_ARENA_H_

#include <cstddef>

namespace seg::cuda::emulator {

// Of a block: what the card has, and what must not be touched around it.
constexpr size_t kArenaBlockBytes = 512 << 10;
constexpr size_t kArenaBytes = 16 * kArenaBlockBytes;
// On both sides of a DeviceMemory.
constexpr size_t kGuard = 4096;

char* Arena();

}  // namespace seg::cuda::emulator

#endif  // COMMON_TESTING_CUDA_EMULATOR_ARENA_H_
