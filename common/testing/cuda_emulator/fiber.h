// Stacks of execution that are switched by hand: one for each emulated thread.
#ifndef COMMON_TESTING_CUDA_EMULATOR_FIBER_H_
#define COMMON_TESTING_CUDA_EMULATOR_FIBER_H_

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace seg::cuda::emulator {

// Start runs `entry` on the fiber's own stack; it must end in SwitchOut, never
// by returning. A fiber that was left anywhere may be started anew: what its
// stack held is gone, and no destructor runs.
class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  void Start(void (*entry)());

  // From the scheduler into the fiber, until it switches out.
  void SwitchIn();
  // From the fiber, which is the one that runs, to the scheduler; `last`: it
  // will not be switched to again.
  void SwitchOut(bool last);

  bool Holds(const void* address) const {
    return address >= stack_ && address < stack_ + size_;
  }

 private:
  static void Enter();

  char* stack_ = nullptr;  // behind a page that must not be touched
  size_t size_ = 0;
  void (*entry_)() = nullptr;
#if defined(__x86_64__)
  void* stack_pointer_ = nullptr;
#else
  ucontext_t context_;
#endif
  void* fake_stack_ = nullptr;  // AddressSanitizer's
};

}  // namespace seg::cuda::emulator

#endif  // COMMON_TESTING_CUDA_EMULATOR_FIBER_H_
