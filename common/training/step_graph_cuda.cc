// StepGraph by CUDA graphs; linked under --config=cuda.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <exception>
#include <memory>

#include "common/training/step_graph.h"

namespace seg {
namespace {

class CudaStepGraph : public StepGraph {
 public:
  void Record(const std::function<void()>& work) override {
    // No stream may be recorded that has other work under way, and the default
    // one cannot be recorded at all.
    c10::cuda::device_synchronize();
    const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
    graph_.capture_begin();
    try {
      work();
    } catch (...) {
      const std::exception_ptr error = std::current_exception();
      try {
        graph_.capture_end();  // gives the allocator its stream back
      } catch (const std::exception&) {
        // The recording is void: that is known.
      }
      cudaGetLastError();
      std::rethrow_exception(error);
    }
    graph_.capture_end();
  }

  void Replay() override { graph_.replay(); }

 private:
  at::cuda::CUDAGraph graph_;
};

[[maybe_unused]] const bool registered = [] {
  RegisterStepGraph([]() -> std::unique_ptr<StepGraph> {
    return std::make_unique<CudaStepGraph>();
  });
  return true;
}();

}  // namespace
}  // namespace seg
