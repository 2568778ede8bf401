// AddressSanitizer's interface where it is on, and nothing elsewhere.
#ifndef COMMON_TESTING_CUDA_EMULATOR_SANITIZER_H_
#define COMMON_TESTING_CUDA_EMULATOR_SANITIZER_H_

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define SEG_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SEG_ADDRESS_SANITIZER 1
#endif
#endif

#ifdef SEG_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace seg::cuda::emulator {

#ifdef SEG_ADDRESS_SANITIZER
constexpr bool kAddressSanitizer = true;
inline void Poison(const void* start, size_t bytes) {
  __asan_poison_memory_region(start, bytes);
}
inline void Unpoison(const void* start, size_t bytes) {
  __asan_unpoison_memory_region(start, bytes);
}
inline void StartSwitch(void** fake_stack, const void* stack, size_t bytes) {
  __sanitizer_start_switch_fiber(fake_stack, stack, bytes);
}
inline void FinishSwitch(void* fake_stack, const void** stack, size_t* bytes) {
  __sanitizer_finish_switch_fiber(fake_stack, stack, bytes);
}
#else
constexpr bool kAddressSanitizer = false;
inline void Poison(const void*, size_t) {}
inline void Unpoison(const void*, size_t) {}
inline void StartSwitch(void**, const void*, size_t) {}
inline void FinishSwitch(void*, const void**, size_t*) {}
#endif

}  // namespace seg::cuda::emulator

#endif  // COMMON_TESTING_CUDA_EMULATOR_SANITIZER_H_
