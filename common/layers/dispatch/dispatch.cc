#include "common/layers/dispatch/dispatch.h"

namespace seg {

void CheckBuiltFor(const char* op, const c10::OperatorHandle& raw,
                   const at::Tensor& x) {
  TORCH_CHECK(
      !x.is_cuda() || raw.hasKernelForDispatchKey(c10::DispatchKey::CUDA), op,
      ": built without CUDA; use --config=cuda");
}

at::Tensor FloatUnderAutocast(const at::Tensor& x) {
  if (!x.defined()) return x;
  const c10::DeviceType device = x.device().type();
  const bool on = at::autocast::is_autocast_available(device) &&
                  at::autocast::is_autocast_enabled(device);
  return on ? at::autocast::cached_cast(at::kFloat, x, device) : x;
}

}  // namespace seg
