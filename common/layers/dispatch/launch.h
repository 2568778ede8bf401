// What a raw operator's CUDA kernel needs to call a launcher.
#ifndef COMMON_LAYERS_DISPATCH_LAUNCH_H_
#define COMMON_LAYERS_DISPATCH_LAUNCH_H_

#include "ATen/core/Tensor.h"
#include "c10/core/impl/VirtualGuardImpl.h"
#include "c10/util/Exception.h"
#include "common/cuda/runtime.h"

namespace seg {

// The stream that LibTorch's operators on the device of `x` run on; none on a
// CPU (the emulator). Without LibTorch's CUDA headers, which take long to
// parse.
inline cudaStream_t CurrentStream(const at::Tensor& x) {
  if (x.is_cpu()) return nullptr;
  const c10::impl::VirtualGuardImpl guard(x.device().type());
  return static_cast<cudaStream_t>(guard.getStream(x.device()).native_handle());
}

// Throws "OP: what CUDA says".
inline void CheckLaunch(const char* op, cudaError_t error) {
  TORCH_CHECK(error == cudaSuccess, op, ": ", cudaGetErrorString(error));
}

}  // namespace seg

#endif  // COMMON_LAYERS_DISPATCH_LAUNCH_H_
