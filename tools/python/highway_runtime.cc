// Highway's run-time functions, so that libsegpapers_ops.so needs no
// libhwy.so.1 on a user's machine: which instruction sets this CPU has, and
// aligned memory, the end of the program. Debian has Highway as a shared
// library only. Declared by Highway 1.0's headers; written anew from their
// contracts.
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "hwy/aligned_allocator.h"
#include "hwy/base.h"
#include "hwy/targets.h"

namespace hwy {
namespace {

int64_t DetectTargets() {
  int64_t targets = HWY_STATIC_TARGET;
#if HWY_ARCH_X86
  // These also ask whether the operating system saves the registers.
  __builtin_cpu_init();
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
      __builtin_cpu_supports("f16c") && __builtin_cpu_supports("lzcnt");
  if (avx2) targets |= HWY_AVX2;
  if (avx2 && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd")) {
    targets |= HWY_AVX3;
  }
#endif
  return targets;
}

}  // namespace

int64_t SupportedTargets() {
  static const int64_t targets = DetectTargets();
  return targets;
}

ChosenTarget& GetChosenTarget() {
  static ChosenTarget chosen;
  return chosen;
}

// Without an allocator of the caller's, as all of ours are.
void* AllocateAlignedBytes(size_t payload_size, AllocPtr, void*) {
  void* memory = nullptr;
  return posix_memalign(&memory, HWY_ALIGNMENT, payload_size) == 0 ? memory
                                                                   : nullptr;
}

void FreeAlignedBytes(const void* memory, FreePtr, void*) {
  std::free(const_cast<void*>(memory));
}

void Abort(const char* file, int line, const char* format, ...) {
  std::fprintf(stderr, "%s:%d: ", file, line);
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  std::abort();
}

}  // namespace hwy
