// Autocast in tests, on the CPU, as `with torch.autocast` in Python.
#ifndef COMMON_TESTING_AUTOCAST_H_
#define COMMON_TESTING_AUTOCAST_H_

#include <ATen/autocast_mode.h>

namespace seg {

// On while it lives, with float16 or bfloat16.
class ScopedAutocast {
 public:
  explicit ScopedAutocast(at::ScalarType type)
      : was_enabled_(at::autocast::is_autocast_enabled(at::kCPU)),
        type_(at::autocast::get_autocast_dtype(at::kCPU)) {
    at::autocast::set_autocast_enabled(at::kCPU, true);
    at::autocast::set_autocast_dtype(at::kCPU, type);
    at::autocast::increment_nesting();
  }
  ~ScopedAutocast() {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCPU, was_enabled_);
    at::autocast::set_autocast_dtype(at::kCPU, type_);
  }
  ScopedAutocast(const ScopedAutocast&) = delete;
  ScopedAutocast& operator=(const ScopedAutocast&) = delete;

 private:
  bool was_enabled_;
  at::ScalarType type_;
};

}  // namespace seg

#endif  // COMMON_TESTING_AUTOCAST_H_
