#include "common/testing/cuda_emulator/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "common/testing/cuda_emulator/sanitizer.h"

#if defined(__x86_64__)
// Saves what a called function has to keep, and goes on where `to` was saved:
// about 5 ns, where swapcontext calls the kernel for the signal mask.
extern "C" void SegCudaEmulatorSwitch(void** from, void* to);
asm(R"(
.text
.type SegCudaEmulatorSwitch, @function
SegCudaEmulatorSwitch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size SegCudaEmulatorSwitch, .-SegCudaEmulatorSwitch
)");
#endif

namespace seg::cuda::emulator {
namespace {

// Frames under AddressSanitizer are several times as large.
constexpr size_t kStackBytes = kAddressSanitizer ? 256 << 10 : 64 << 10;

// The scheduler's side of a switch.
#if defined(__x86_64__)
void* scheduler_stack_pointer = nullptr;
#else
ucontext_t scheduler_context;
#endif
const void* scheduler_stack = nullptr;
size_t scheduler_stack_bytes = 0;
Fiber* running = nullptr;

}  // namespace

Fiber::Fiber() {
  const size_t page = sysconf(_SC_PAGESIZE);
  void* const mapped = mmap(nullptr, page + kStackBytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED || mprotect(mapped, page, PROT_NONE) != 0) {
    std::perror("CUDA emulator: no memory for the stack of a thread");
    std::abort();
  }
  stack_ = static_cast<char*>(mapped) + page;
  size_ = kStackBytes;
}

Fiber::~Fiber() {
  const size_t page = sysconf(_SC_PAGESIZE);
  Unpoison(stack_, size_);
  munmap(stack_ - page, page + size_);
}

void Fiber::Enter() {
  FinishSwitch(nullptr, &scheduler_stack, &scheduler_stack_bytes);
  running->entry_();
  std::abort();  // an entry ends in SwitchOut
}

void Fiber::Start(void (*entry)()) {
  Unpoison(stack_, size_);  // of a fiber that was left
  entry_ = entry;
  fake_stack_ = nullptr;
#if defined(__x86_64__)
  // As after the call of Enter: its return address, which is none, is on top of
  // a 16-byte boundary.
  auto* top = reinterpret_cast<uint64_t*>(stack_ + size_);
  *--top = 0;
  *--top = reinterpret_cast<uint64_t>(&Fiber::Enter);
  for (int i = 0; i < 6; ++i) *--top = 0;  // the six saved registers
  stack_pointer_ = top;
#else
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = size_;
  context_.uc_link = nullptr;
  makecontext(&context_, &Fiber::Enter, 0);
#endif
}

void Fiber::SwitchIn() {
  running = this;
  void* fake_stack = nullptr;
  StartSwitch(&fake_stack, stack_, size_);
#if defined(__x86_64__)
  SegCudaEmulatorSwitch(&scheduler_stack_pointer, stack_pointer_);
#else
  swapcontext(&scheduler_context, &context_);
#endif
  FinishSwitch(fake_stack, nullptr, nullptr);
}

void Fiber::SwitchOut(bool last) {
  StartSwitch(last ? nullptr : &fake_stack_, scheduler_stack,
              scheduler_stack_bytes);
#if defined(__x86_64__)
  SegCudaEmulatorSwitch(&stack_pointer_, scheduler_stack_pointer);
#else
  swapcontext(&context_, &scheduler_context);
#endif
  FinishSwitch(fake_stack_, &scheduler_stack, &scheduler_stack_bytes);
}

}  // namespace seg::cuda::emulator
