#include "segnet_rerank/model.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "c10/core/GradMode.h"

namespace seg {
namespace segnet_rerank {
namespace {

constexpr char kPrefix[] = "fitted_";

}  // namespace

ModelImpl::ModelImpl(const Config& config, int64_t classes)
    : classes_(classes), segnet_(config.segnet, classes) {
  register_module("segnet", segnet_);
  for (const auto& [name, tensor] :
       ToTensors(UntrainedFitted(config, classes))) {
    register_buffer(kPrefix + name, tensor);
  }
}

Fitted ModelImpl::fitted() const {
  TensorMap tensors;
  for (const auto& buffer : named_buffers(/*recurse=*/false)) {
    tensors[buffer.key().substr(sizeof(kPrefix) - 1)] =
        buffer.value().detach().to(at::kCPU, buffer.value().scalar_type(),
                                   /*non_blocking=*/false, /*copy=*/true);
  }
  absl::StatusOr<Fitted> fitted = FromTensors(tensors);
  TORCH_CHECK(fitted.ok(), std::string(fitted.status().message()));
  return *std::move(fitted);
}

void ModelImpl::SetFitted(const Fitted& fitted) {
  const c10::NoGradGuard no_grad;
  auto buffers = named_buffers(/*recurse=*/false);
  for (const auto& [name, tensor] : ToTensors(fitted)) {
    at::Tensor& buffer = buffers[kPrefix + name];
    TORCH_CHECK(buffer.sizes() == tensor.sizes(), name, ": expected ",
                buffer.sizes(), ", got ", tensor.sizes());
    buffer.copy_(tensor);
  }
}

}  // namespace segnet_rerank
}  // namespace seg
