// An array for large lattices (internal): uninitialised, and in huge pages
// where the system gives them, since touching fresh small pages costs as much
// as the work on them.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_BUFFER_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_BUFFER_H_

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

namespace seg {
namespace permutohedral {

template <typename T>
class Buffer {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  Buffer() = default;
  explicit Buffer(int64_t size) : size_(size), data_(Allocate(size)) {}

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  int64_t size() const { return size_; }
  T& operator[](int64_t i) { return data_.get()[i]; }
  const T& operator[](int64_t i) const { return data_.get()[i]; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };

  static T* Allocate(int64_t size) {
    constexpr size_t kHugePage = size_t{2} << 20;
    constexpr size_t kLine = 64;
    const size_t bytes = static_cast<size_t>(size > 0 ? size : 1) * sizeof(T);
    const size_t unit = bytes >= kHugePage ? kHugePage : kLine;
    const size_t whole = (bytes + unit - 1) / unit * unit;
    void* p = std::aligned_alloc(unit, whole);
    if (p == nullptr) throw std::bad_alloc();
    // A hint: without huge pages the array is an ordinary one.
    if (unit == kHugePage) madvise(p, whole, MADV_HUGEPAGE);
    return static_cast<T*>(p);
  }

  int64_t size_ = 0;
  std::unique_ptr<T, Free> data_;
};

}  // namespace permutohedral
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_BUFFER_H_
