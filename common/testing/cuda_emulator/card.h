// emulator.h on a card, where the same test runs (the _on_card target of
// seg_cuda_test). Include emulator.h.
#ifndef COMMON_TESTING_CUDA_EMULATOR_CARD_H_
#define COMMON_TESTING_CUDA_EMULATOR_CARD_H_

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace seg::cuda::emulator {

// The card has an order of its own: one repetition each.
class ScopedSchedule {
 public:
  explicit ScopedSchedule(uint64_t) {}
  ~ScopedSchedule() {}
};

class ScopedUnwatched {
 public:
  ScopedUnwatched() {}
  ~ScopedUnwatched() {}
};

inline std::string LastError() {
  return cudaGetErrorString(cudaDeviceSynchronize());
}

inline void ResetDevice() { cudaDeviceReset(); }

constexpr bool SeesAccesses() { return false; }

// What is not given is filled with bytes that are NaN as float and double.
class DeviceMemory {
 public:
  explicit DeviceMemory(size_t bytes);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  void* data() const { return start_; }

 private:
  void* start_ = nullptr;
};

// After all that was launched before. Failures are the test's.
void CopyToCard(void* to, const void* from, size_t bytes);
void CopyFromCard(void* to, const void* from, size_t bytes);

// data() is the card's: the host must not read or write through it.
template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t size) : size_(size), memory_(size * sizeof(T)) {}
  explicit DeviceArray(const std::vector<T>& values)
      : DeviceArray(values.size()) {
    CopyToCard(data(), values.data(), size_ * sizeof(T));
  }
  size_t size() const { return size_; }
  T* data() const { return static_cast<T*>(memory_.data()); }
  std::vector<T> ToVector() const {
    std::vector<T> values(size_);
    CopyFromCard(values.data(), data(), size_ * sizeof(T));
    return values;
  }

 private:
  size_t size_;
  DeviceMemory memory_;
};

}  // namespace seg::cuda::emulator

#endif  // COMMON_TESTING_CUDA_EMULATOR_CARD_H_
