// What the compiler calls at each access to memory of a source that is built
// with -fsanitize=thread: the emulator takes ThreadSanitizer's place.
#include <cstddef>
#include <cstdint>

#include "common/testing/cuda_emulator/accesses.h"
#include "common/testing/cuda_emulator/machine.h"
#include "common/testing/cuda_emulator/source_line.h"

#ifdef SEG_CUDA_EMULATOR_SEES_ACCESSES

using seg::cuda::emulator::Access;
using seg::cuda::emulator::CallerLine;
using seg::cuda::emulator::Format;
using seg::cuda::emulator::Machine;
using seg::cuda::emulator::OnAccess;

namespace {

void OnAlignedAccess(const void* address, size_t bytes, Access access,
                     const void* caller) {
  Machine& machine = Machine::Get();
  if (machine.current() == nullptr || !machine.watched) return;
  if (reinterpret_cast<uintptr_t>(address) % bytes != 0) {
    machine.Fail(
        cudaErrorMisalignedAddress,
        CallerLine(caller) + Format(" takes %zu bytes at %p", bytes, address));
  }
  OnAccess(address, bytes, access, caller);
}

// A loop that waits for a volatile word lets others run.
void OnVolatileRead(const void* address, size_t bytes, const void* caller) {
  Machine& machine = Machine::Get();
  if (machine.current() == nullptr || machine.current()->fiber.Holds(address)) {
    return;
  }
  machine.MaybeYield();
  OnAlignedAccess(address, bytes, Access::kVolatileRead, caller);
}

}  // namespace

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}

#define SEG_HOOKS(bytes)                                                   \
  void __tsan_read##bytes(void* address) {                                 \
    OnAlignedAccess(address, bytes, Access::kRead,                         \
                    __builtin_return_address(0));                          \
  }                                                                        \
  void __tsan_write##bytes(void* address) {                                \
    OnAlignedAccess(address, bytes, Access::kWrite,                        \
                    __builtin_return_address(0));                          \
  }                                                                        \
  void __tsan_unaligned_read##bytes(void* address) {                       \
    OnAccess(address, bytes, Access::kRead, __builtin_return_address(0));  \
  }                                                                        \
  void __tsan_unaligned_write##bytes(void* address) {                      \
    OnAccess(address, bytes, Access::kWrite, __builtin_return_address(0)); \
  }                                                                        \
  void __tsan_volatile_read##bytes(void* address) {                        \
    OnVolatileRead(address, bytes, __builtin_return_address(0));           \
  }                                                                        \
  void __tsan_volatile_write##bytes(void* address) {                       \
    OnAlignedAccess(address, bytes, Access::kVolatileWrite,                \
                    __builtin_return_address(0));                          \
  }                                                                        \
  void __tsan_unaligned_volatile_read##bytes(void* address) {              \
    OnAccess(address, bytes, Access::kVolatileRead,                        \
             __builtin_return_address(0));                                 \
  }                                                                        \
  void __tsan_unaligned_volatile_write##bytes(void* address) {             \
    OnAccess(address, bytes, Access::kVolatileWrite,                       \
             __builtin_return_address(0));                                 \
  }
SEG_HOOKS(1)
SEG_HOOKS(2)
SEG_HOOKS(4)
SEG_HOOKS(8)
SEG_HOOKS(16)

void __tsan_read_range(void* address, size_t bytes) {
  OnAccess(address, bytes, Access::kRead, __builtin_return_address(0));
}
void __tsan_write_range(void* address, size_t bytes) {
  OnAccess(address, bytes, Access::kWrite, __builtin_return_address(0));
}
void __tsan_vptr_update(void** address, void*) {
  OnAccess(address, sizeof(void*), Access::kWrite, __builtin_return_address(0));
}
void __tsan_vptr_read(void** address) {
  OnAccess(address, sizeof(void*), Access::kRead, __builtin_return_address(0));
}

}  // extern "C"

#endif  // SEG_CUDA_EMULATOR_SEES_ACCESSES
