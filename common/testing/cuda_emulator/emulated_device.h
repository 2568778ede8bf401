// emulator.h in the emulator. Include emulator.h.
#ifndef COMMON_TESTING_CUDA_EMULATOR_EMULATED_DEVICE_H_
#define COMMON_TESTING_CUDA_EMULATOR_EMULATED_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace seg::cuda::emulator {

// The order in which threads run between barriers, blocks in a grid, and what
// memory holds that nobody wrote. 0: first to last, in turn; 1: last to first,
// each as far as it goes; others: drawn anew at each switch.
// The default is 0, or the number in SEG_CUDA_EMULATOR_SEED.
class ScopedSchedule {
 public:
  explicit ScopedSchedule(uint64_t seed);
  ~ScopedSchedule();
  ScopedSchedule(const ScopedSchedule&) = delete;
  ScopedSchedule& operator=(const ScopedSchedule&) = delete;

 private:
  uint64_t before_;
};

// What was wrong with the newest launch that failed: kernel, block, thread,
// file and line, remedy. Empty when none did.
std::string LastError();

// After a kernel failed every call returns its error, as on the card, until
// this.
void ResetDevice();

// Whether every read and write of a kernel is seen, so that races, shared
// memory that nobody wrote and accesses beside an array are found: in all
// builds but those with sanitizers of their own.
bool SeesAccesses();

// Lets accesses pass unseen: only results tell then, and kernels run several
// times as fast.
class ScopedUnwatched {
 public:
  ScopedUnwatched();
  ~ScopedUnwatched();
  ScopedUnwatched(const ScopedUnwatched&) = delete;
  ScopedUnwatched& operator=(const ScopedUnwatched&) = delete;

 private:
  bool before_;
};

// Memory of the device between two stretches that must not be touched. What is
// not given is filled with a pattern that is NaN as float, double and bfloat16,
// and differs by schedule.
class DeviceMemory {
 public:
  explicit DeviceMemory(size_t bytes);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  void* data() const { return start_; }

 private:
  size_t bytes_;
  char* whole_;
  char* start_;
};

template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t size) : size_(size), memory_(size * sizeof(T)) {}
  explicit DeviceArray(const std::vector<T>& values)
      : DeviceArray(values.size()) {
    if (size_ > 0) std::memcpy(data(), values.data(), size_ * sizeof(T));
  }
  size_t size() const { return size_; }
  T* data() const { return static_cast<T*>(memory_.data()); }
  std::vector<T> ToVector() const { return {data(), data() + size_}; }

 private:
  size_t size_;
  DeviceMemory memory_;
};

}  // namespace seg::cuda::emulator

#endif  // COMMON_TESTING_CUDA_EMULATOR_EMULATED_DEVICE_H_
