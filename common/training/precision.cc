#include "common/training/precision.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>

namespace seg {

void SetProducts(Precision precision, c10::Device device) {
  if (!device.is_cuda()) return;
  at::Context& context = at::globalContext();
  const bool tf32 = precision != Precision::kFloat32;
  context.setAllowTF32CuDNN(tf32);
  context.setAllowTF32CuBLAS(tf32);
  context.setBenchmarkCuDNN(false);
  context.setDeterministicCuDNN(true);
}

AutocastScope::AutocastScope(Precision precision, c10::Device device)
    : device_(device.type()), active_(precision == Precision::kBf16) {
  if (!active_) return;
  was_enabled_ = at::autocast::is_autocast_enabled(device_);
  was_dtype_ = at::autocast::get_autocast_dtype(device_);
  at::autocast::set_autocast_dtype(device_, at::kBFloat16);
  at::autocast::set_autocast_enabled(device_, true);
  at::autocast::increment_nesting();
}

AutocastScope::~AutocastScope() {
  if (!active_) return;
  // Weights that were cast for this step are not those of the next.
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_, was_enabled_);
  at::autocast::set_autocast_dtype(device_, was_dtype_);
}

}  // namespace seg
