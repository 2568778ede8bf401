// What was done to each word of memory by a launch, to find races, shared
// memory that nobody wrote, and accesses beside an array.
//
// Two accesses of one word by different threads, one of them a write, race
// unless a barrier that both passed lies between them: __syncthreads or
// ClusterSync, or __syncwarp within a warp (a shuffle or a vote orders nothing,
// as CUDA's guide says). Between blocks the way is __threadfence and then an
// atomic operation on a word that the other block's next atomic operation also
// takes. Two atomic operations do not race.
#ifndef COMMON_TESTING_CUDA_EMULATOR_ACCESSES_H_
#define COMMON_TESTING_CUDA_EMULATOR_ACCESSES_H_

#include <cstddef>

namespace seg::cuda::emulator {

struct Block;

enum class Access {
  kRead,
  kWrite,
  kVolatileRead,
  kVolatileWrite,
  kAtomic,
  kIssueCopy,   // the target of CopyAsync
  kFinishCopy,  // the same, when it is waited for
};

// A launch starts: nothing was done yet.
void StartAccesses();

// By the thread that runs; the launch fails if it is wrong. `caller` is the
// return address into the kernel. Nothing where SeesAccesses() is false.
void OnAccess(const void* address, size_t bytes, Access access,
              const void* caller);

// An atomic operation of the thread that runs: what its block hears and tells.
void OnSynchronization(const void* address);

// Shared memory comes into being and ends.
void AllowShared(const void* start, size_t bytes);
void ForbidShared(const void* start, size_t bytes);

// Memory that no kernel may touch, until it is removed.
void AddGuard(const void* start, size_t bytes);
void RemoveGuard(const void* start);

}  // namespace seg::cuda::emulator

#endif  // COMMON_TESTING_CUDA_EMULATOR_ACCESSES_H_
