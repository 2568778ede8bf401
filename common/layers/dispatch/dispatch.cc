#include "common/layers/dispatch/dispatch.h"

namespace seg {

void CheckBuiltFor(const char* op, const c10::OperatorHandle& raw,
                   const at::Tensor& x) {
  TORCH_CHECK(
      !x.is_cuda() || raw.hasKernelForDispatchKey(c10::DispatchKey::CUDA), op,
      ": built without CUDA; use --config=cuda");
}

}  // namespace seg
