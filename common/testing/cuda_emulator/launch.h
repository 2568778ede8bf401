// Launches in the emulator.
#ifndef COMMON_TESTING_CUDA_EMULATOR_LAUNCH_H_
#define COMMON_TESTING_CUDA_EMULATOR_LAUNCH_H_

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include "common/testing/cuda_emulator/runtime_api.h"
#include "common/testing/cuda_emulator/vector_types.h"

namespace seg::cuda {
namespace emulator {

struct LaunchRequest {
  const void* kernel;  // its address, for its name in messages
  dim3 grid, block;
  int cluster;
  size_t shared_bytes;
  void (*call)(const void* context);  // one thread of the kernel
  const void* context;
};

cudaError_t Run(const LaunchRequest& request);

}  // namespace emulator

template <typename... Parameters, typename... Arguments>
cudaError_t LaunchCluster(void (*kernel)(Parameters...), dim3 grid, dim3 block,
                          int cluster, size_t shared_bytes, cudaStream_t,
                          Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments),
                "a kernel takes no default arguments");
  using Call = std::pair<void (*)(Parameters...),
                         std::tuple<std::decay_t<Parameters>...>>;
  const Call call(kernel, std::tuple<std::decay_t<Parameters>...>(
                              std::forward<Arguments>(arguments)...));
  return emulator::Run({reinterpret_cast<const void*>(kernel), grid, block,
                        cluster, shared_bytes,
                        [](const void* context) {
                          const Call& call = *static_cast<const Call*>(context);
                          std::apply(call.first, call.second);
                        },
                        &call});
}

template <typename... Parameters, typename... Arguments>
cudaError_t Launch(void (*kernel)(Parameters...), dim3 grid, dim3 block,
                   size_t shared_bytes, cudaStream_t stream,
                   Arguments&&... arguments) {
  return LaunchCluster(kernel, grid, block, 1, shared_bytes, stream,
                       std::forward<Arguments>(arguments)...);
}

}  // namespace seg::cuda

#endif  // COMMON_TESTING_CUDA_EMULATOR_LAUNCH_H_
