#include "common/testing/cuda_emulator/shared_memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "common/testing/cuda_emulator/accesses.h"
#include "common/testing/cuda_emulator/arena.h"
#include "common/testing/cuda_emulator/atomics.h"
#include "common/testing/cuda_emulator/emulator.h"
#include "common/testing/cuda_emulator/machine.h"
#include "common/testing/cuda_emulator/sanitizer.h"

namespace seg::cuda {
namespace emulator {
namespace {

// Between arrays: nothing may be touched here.
constexpr size_t kGap = 1024;
constexpr size_t kAlignment = 128;

void FillWithPattern(void* start, size_t bytes) {
  const uint16_t pattern = Machine::Get().Pattern();
  char* const to = static_cast<char*>(start);
  for (size_t i = 0; i < bytes; ++i) {
    to[i] = static_cast<char>(i % 2 == 0 ? pattern : pattern >> 8);
  }
}

// Offset of a new array.
size_t AddArray(Block* block, const void* key, const char* name, size_t bytes) {
  size_t offset = block->shared_used + kGap;
  offset += -offset % kAlignment;
  block->shared_used = offset + bytes;
  if (block->shared_used + kGap > kArenaBlockBytes) {
    Machine::Get().Fail(cudaErrorLaunchOutOfResources,
                        "more shared arrays than the emulator has room for");
  }
  block->arrays.push_back({key, name, offset, bytes});
  char* const start = block->shared + offset;
  Unpoison(start, bytes);
  FillWithPattern(start, bytes);
  AllowShared(start, bytes);
  return offset;
}

void* ArrayIn(Block* block, const void* key, const char* name, size_t bytes) {
  for (const SharedArray& array : block->arrays) {
    if (array.key == key) return block->shared + array.offset;
  }
  block->static_bytes += bytes + -bytes % 16;
  const size_t dynamic = Machine::Get().request().shared_bytes;
  if (block->static_bytes > kMaxStaticSharedBytes ||
      block->static_bytes + dynamic > kMaxSharedBytes) {
    Machine::Get().Fail(
        cudaErrorInvalidValue,
        Format("with `%s` %zu bytes of static and %zu of dynamic shared "
               "memory; %zu are allowed, of them %zu static",
               name, block->static_bytes, dynamic, kMaxSharedBytes,
               kMaxStaticSharedBytes));
  }
  return block->shared + AddArray(block, key, name, bytes);
}

}  // namespace

char* Arena() {
  static char* const arena = [] {
    void* const mapped =
        mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) {
      std::perror("CUDA emulator: no shared memory");
      std::abort();
    }
    Poison(mapped, kArenaBytes);
    return static_cast<char*>(mapped);
  }();
  return arena;
}

void StartSharedMemory(Block* block) {
  block->shared = Arena() + block->rank * kArenaBlockBytes;
  block->shared_used = block->static_bytes = 0;
  block->arrays.clear();
  AddArray(block, nullptr, "dynamic shared memory",
           Machine::Get().request().shared_bytes);
}

void EndSharedMemory(Block* block) {
  ForbidShared(block->shared, block->shared_used);
  Poison(block->shared, block->shared_used);
}

Block* SharedOwner(const void* address) {
  const char* const place = static_cast<const char*>(address);
  if (place < Arena() || place >= Arena() + kArenaBytes) return nullptr;
  const size_t rank = (place - Arena()) / kArenaBlockBytes;
  auto& blocks = Machine::Get().blocks();
  return rank < blocks.size() ? blocks[rank].get() : nullptr;
}

const SharedArray* FindArray(const Block& block, const void* address) {
  const size_t offset = static_cast<const char*>(address) - block.shared;
  const SharedArray* nearest = nullptr;
  for (const SharedArray& array : block.arrays) {
    // With half of the gaps beside it.
    if (offset + kGap / 2 >= array.offset &&
        offset < array.offset + array.bytes + kGap / 2) {
      nearest = &array;
    }
  }
  return nearest;
}

void* StaticShared(const void* key, const char* name, size_t bytes) {
  return ArrayIn(Machine::Get().current()->block, key, name, bytes);
}

void* DynamicSharedStart() {
  const Block& block = *Machine::Get().current()->block;
  return block.shared + block.arrays.front().offset;
}

void* MapToRank(void* shared, int rank) {
  Machine& machine = Machine::Get();
  const Block& own = *machine.current()->block;
  const SharedArray* const array =
      SharedOwner(shared) == &own ? FindArray(own, shared) : nullptr;
  if (array == nullptr) {
    machine.Fail(cudaErrorIllegalAddress,
                 "ClusterMap of an address that is not in this block's shared "
                 "memory");
  }
  if (rank < 0 || rank >= machine.request().cluster) {
    machine.Fail(cudaErrorIllegalAddress,
                 Format("ClusterMap to rank %d of a cluster of %d", rank,
                        machine.request().cluster));
  }
  Block* const other = machine.blocks()[rank].get();
  const size_t inside =
      static_cast<char*>(shared) - (own.shared + array->offset);
  void* const start =
      ArrayIn(other, array->key, array->name.c_str(), array->bytes);
  return static_cast<char*>(start) + inside;
}

void BeforeAtomic(void* place, size_t bytes) {
  Machine& machine = Machine::Get();
  if (machine.current() == nullptr) return;
  const void* const caller = __builtin_return_address(0);
  machine.MaybeYield();
  if (reinterpret_cast<uintptr_t>(place) % bytes != 0) {
    machine.Fail(
        cudaErrorMisalignedAddress,
        Format("an atomic operation on %zu bytes at %p", bytes, place));
  }
  OnAccess(place, bytes, Access::kAtomic, caller);
  OnSynchronization(place);
}

void IssueCopy(void* to, const void* from, int bytes) {
  Machine& machine = Machine::Get();
  Thread* const thread = machine.current();
  const void* const caller = __builtin_return_address(0);
  if (SharedOwner(to) != thread->block) {
    machine.Fail(cudaErrorIllegalAddress,
                 "CopyAsync to what is not this block's shared memory");
  }
  if (reinterpret_cast<uintptr_t>(to) % bytes != 0 ||
      reinterpret_cast<uintptr_t>(from) % bytes != 0) {
    machine.Fail(
        cudaErrorMisalignedAddress,
        Format("CopyAsync of %d bytes from %p to %p", bytes, from, to));
  }
  if (from != nullptr) OnAccess(from, bytes, Access::kRead, caller);
  OnAccess(to, bytes, Access::kIssueCopy, caller);
  // Whoever reads it too early, or still, shall see that it is gone.
  FillWithPattern(to, bytes);
  thread->copies.push_back({to, from, bytes, thread->group, caller});
}

void CommitCopyGroup() { ++Machine::Get().current()->group; }

void WaitForCopyGroups(int pending) {
  Thread* const thread = Machine::Get().current();
  FinishCopies(thread, thread->group - pending);
}

void FinishCopies(Thread* thread, int64_t end_group) {
  while (!thread->copies.empty() && thread->copies.front().group < end_group) {
    const PendingCopy copy = thread->copies.front();
    thread->copies.pop_front();
    OnAccess(copy.to, copy.bytes, Access::kFinishCopy, copy.caller);
    if (copy.from == nullptr) {
      std::memset(copy.to, 0, copy.bytes);
    } else {
      std::memcpy(copy.to, copy.from, copy.bytes);
    }
  }
}

DeviceMemory::DeviceMemory(size_t bytes)
    : bytes_(bytes),
      whole_(static_cast<char*>(
          std::aligned_alloc(256, bytes + 2 * kGuard + -bytes % 256))),
      start_(whole_ + kGuard) {
  FillWithPattern(start_, bytes);
  const size_t after = kGuard + -bytes % 256;
  Poison(whole_, kGuard);
  Poison(start_ + bytes, after);
  AddGuard(whole_, kGuard);
  AddGuard(start_ + bytes, after);
}

DeviceMemory::~DeviceMemory() {
  RemoveGuard(whole_);
  RemoveGuard(start_ + bytes_);
  Unpoison(whole_, bytes_ + 2 * kGuard + -bytes_ % 256);
  std::free(whole_);
}

}  // namespace emulator

int ClusterRank() { return emulator::Machine::Get().current()->block->rank; }

int ClusterSize() { return emulator::Machine::Get().request().cluster; }

}  // namespace seg::cuda
