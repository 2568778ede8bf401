// The raw operators of the spatial propagation, as the dispatcher has them: no
// autograd, a kernel for the CPU and, with --config=cuda, for CUDA. Python can
// call them, so they check what would lead beside their memory. See
// spatial_propagation.h for the definition.

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_OPS_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_OPS_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <cstdint>

namespace seg {

// What is computed, the same for both passes.
struct SpatialPropagationRule {
  int64_t connections = 3;    // gates a direction: 1 or 3
  int64_t normalization = 0;  // a GateNormalization
  bool sum_all_gates = false;
  int64_t first_direction = 0;
  int64_t directions = 4;
};

// winner and states are for a backward pass on the same device, undefined where
// not wanted; what is in states only that pass knows, and needs `layout` for
// it.
struct SpatialPropagationForwardResult {
  at::Tensor out;
  at::Tensor winner;
  at::Tensor states;
  int64_t layout = 0;
};

// x and gates as SpatialPropagationInLayout gives them, on one device. The
// CPU takes gates of x's type, CUDA also bfloat16 ones beside a float x.
SpatialPropagationForwardResult SpatialPropagationForwardOp(
    const at::Tensor& x, const at::Tensor& gates,
    const SpatialPropagationRule& rule, bool training);

// The gradient of the gates is undefined where not wanted.
struct SpatialPropagationGradients {
  at::Tensor x;
  at::Tensor gates;
};
SpatialPropagationGradients SpatialPropagationBackwardOp(
    const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& gates,
    const SpatialPropagationForwardResult& forward,
    const SpatialPropagationRule& rule, bool want_gates);

// Whether the operators take these gates, and x beside them, in channels last;
// else as planes. Neither is empty.
bool SpatialPropagationTakesChannelsLast(const at::Tensor& gates,
                                         int64_t channels);
// x, copied where its strides are others.
at::Tensor SpatialPropagationInLayout(const at::Tensor& x, bool channels_last);

const c10::OperatorHandle& SpatialPropagationForwardOperator();

// Throws where the sizes and types of x and gates, or the rule, are none that
// the kernels of x's device take. Any strides.
void CheckSpatialPropagationRaw(const at::Tensor& x, const at::Tensor& gates,
                                const SpatialPropagationRule& rule);
// Throws where `tensor` is no dense tensor like `x` of this type and device.
void CheckSpatialPropagationSaved(const at::Tensor& tensor,
                                  at::IntArrayRef sizes, at::ScalarType type,
                                  const at::Tensor& x);

}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_OPS_H_
