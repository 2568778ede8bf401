#include "common/layers/dispatch/dispatch.h"

namespace seg {

void CheckBuiltFor(const char* op, const c10::OperatorHandle& raw,
                   const at::Tensor& x) {
  TORCH_CHECK(
      !x.is_cuda() || raw.hasKernelForDispatchKey(c10::DispatchKey::CUDA), op,
      ": built without CUDA; use --config=cuda");
}

void CheckRaw(const char* op, const at::Tensor& x, at::IntArrayRef sizes,
              const at::Tensor& like) {
  TORCH_CHECK(x.sizes() == sizes && x.scalar_type() == like.scalar_type() &&
                  x.device() == like.device(),
              op, ": expected sizes ", sizes, " of ", like.scalar_type(),
              " on ", like.device(), ", got ", x.sizes(), " of ",
              x.scalar_type(), " on ", x.device());
}

at::Tensor FloatUnderAutocast(const at::Tensor& x) {
  if (!x.defined()) return x;
  const c10::DeviceType device = x.device().type();
  const bool on = at::autocast::is_autocast_available(device) &&
                  at::autocast::is_autocast_enabled(device);
  return on ? at::autocast::cached_cast(at::kFloat, x, device) : x;
}

}  // namespace seg
