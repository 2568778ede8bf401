// Counts the memory that tensors of the CPU take, in tests.
#ifndef COMMON_TESTING_COUNTING_ALLOCATOR_H_
#define COMMON_TESTING_COUNTING_ALLOCATOR_H_

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <cstddef>
#include <cstdint>
#include <functional>

namespace seg {

// Hands allocations on and counts them.
class CountingAllocator : public c10::Allocator {
 public:
  explicit CountingAllocator(c10::Allocator* base) : base_(base) {}
  c10::DataPtr allocate(size_t bytes) override {
    ++count;
    total += static_cast<int64_t>(bytes);
    return base_->allocate(bytes);
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  int64_t count = 0, total = 0;

 private:
  c10::Allocator* base_;
};

struct Allocations {
  int64_t count, bytes;
};

// What `run` allocates. Not thread safe.
inline Allocations CountAllocations(const std::function<void()>& run) {
  c10::Allocator* const base = c10::GetCPUAllocator();
  CountingAllocator counting(base);
  c10::SetCPUAllocator(&counting);
  run();
  c10::SetCPUAllocator(base);
  return {counting.count, counting.total};
}

}  // namespace seg

#endif  // COMMON_TESTING_COUNTING_ALLOCATOR_H_
