// CUDA's atomic operations in the emulator. Threads are switched between them,
// never inside of one.
#ifndef COMMON_TESTING_CUDA_EMULATOR_ATOMICS_H_
#define COMMON_TESTING_CUDA_EMULATOR_ATOMICS_H_

#include <cstddef>

namespace seg::cuda::emulator {

// Checks the place; another thread may run before this returns.
void BeforeAtomic(void* place, size_t bytes);

template <typename T, typename Change>
__attribute__((no_sanitize("thread"))) inline T Atomically(T* place,
                                                           Change change) {
  BeforeAtomic(place, sizeof(T));
  const T old = *place;
  *place = change(old);
  return old;
}

}  // namespace seg::cuda::emulator

#define SEG_ATOMIC(type, name, expression)                        \
  inline type atomic##name(type* place, type value) {             \
    return seg::cuda::emulator::Atomically(                       \
        place, [value](type old) -> type { return expression; }); \
  }
SEG_ATOMIC(int, Add, static_cast<int>(static_cast<unsigned>(old) + value))
SEG_ATOMIC(unsigned, Add, old + value)
SEG_ATOMIC(unsigned long long, Add, old + value)
SEG_ATOMIC(float, Add, old + value)
SEG_ATOMIC(double, Add, old + value)
SEG_ATOMIC(int, Sub, static_cast<int>(static_cast<unsigned>(old) - value))
SEG_ATOMIC(unsigned, Sub, old - value)
#define SEG_ATOMICS_OF_INTEGERS(type)                             \
  SEG_ATOMIC(type, Max, old < value ? value : old)                \
  SEG_ATOMIC(type, Min, value < old ? value : old)                \
  SEG_ATOMIC(type, And, old& value)                               \
  SEG_ATOMIC(type, Or, old | value)                               \
  SEG_ATOMIC(type, Xor, old ^ value)                              \
  SEG_ATOMIC(type, Exch, ((void)old, value))                      \
  inline type atomicCAS(type* place, type expected, type value) { \
    return seg::cuda::emulator::Atomically(                       \
        place, [expected, value](type old) -> type {              \
          return old == expected ? value : old;                   \
        });                                                       \
  }
SEG_ATOMICS_OF_INTEGERS(int)
SEG_ATOMICS_OF_INTEGERS(unsigned)
SEG_ATOMICS_OF_INTEGERS(unsigned long long)
SEG_ATOMIC(float, Exch, ((void)old, value))
#undef SEG_ATOMICS_OF_INTEGERS
#undef SEG_ATOMIC

#endif  // COMMON_TESTING_CUDA_EMULATOR_ATOMICS_H_
