#include <cstdint>

#include "common/cuda/kernel.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_kernels.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_launch-inl.h"

namespace seg {
namespace {

using namespace spatial_propagation_cuda;  // NOLINT: of this operator
using Design = SpatialPropagationDesign;

SpatialPropagationTuning Resolve(const SpatialPropagationShape& shape,
                                 const SpatialPropagationTuning& tuning,
                                 size_t element_bytes, bool training,
                                 bool backward) {
  return tuning.design == Design::kAuto
             ? ChooseSpatialPropagationTuning(shape, element_bytes, training,
                                              backward)
             : tuning;
}

template <typename T, typename G>
cudaError_t Forward(const SpatialPropagationForwardArguments<T>& a,
                    cudaStream_t stream) {
  const bool training = a.winner != nullptr;
  if (!Sensible(a.shape, a.tuning) || training != (a.checkpoints != nullptr)) {
    return cudaErrorInvalidValue;
  }
  if (a.shape.planes() * a.shape.pixels() == 0) return cudaSuccess;
  const SpatialPropagationTuning tuning =
      Resolve(a.shape, a.tuning, sizeof(T), training, /*backward=*/false);
  const Layout layout =
      MakeLayout(a.shape, tuning, sizeof(T), training, /*backward=*/false);
  Problem<T, G> p = MakeProblem<T, G>(a.shape, tuning, layout);
  p.x = a.x;
  p.gates = static_cast<const G*>(a.gates);
  p.out = a.out;
  p.winner = a.winner;
  p.checkpoints = a.checkpoints;
  p.vectors = Vectors<T, G>(a.shape, {a.x, a.gates, a.out, a.winner});
  if (tuning.design == Design::kSteps) {
    if (a.scratch == nullptr) return cudaErrorInvalidValue;
    return RunForwardSteps(p, a.shape, a.scratch, stream);
  }
  if (!layout.fits) return cudaErrorInvalidValue;
  return RunForward(p, layout, a.shape, stream);
}

template <typename T, typename G>
cudaError_t Backward(const SpatialPropagationBackwardArguments<T>& a,
                     cudaStream_t stream) {
  if (!Sensible(a.shape, a.tuning)) return cudaErrorInvalidValue;
  if (a.shape.planes() * a.shape.pixels() == 0) return cudaSuccess;
  const SpatialPropagationTuning tuning =
      Resolve(a.shape, a.tuning, sizeof(T), /*training=*/true,
              /*backward=*/true);
  const Layout layout = MakeLayout(a.shape, tuning, sizeof(T),
                                   /*training=*/true, /*backward=*/true);
  Problem<T, G> p = MakeProblem<T, G>(a.shape, tuning, layout);
  p.x = a.x;
  p.gates = static_cast<const G*>(a.gates);
  p.gradient = a.gradient;
  p.winner_in = a.winner;
  p.checkpoints_in = a.checkpoints;
  p.x_gradient = a.x_gradient;
  p.gates_gradient = static_cast<G*>(a.gates_gradient);
  p.vectors = Vectors<T, G>(a.shape, {a.x, a.gates, a.gradient, a.winner,
                                      a.x_gradient, a.gates_gradient});
  p.staged = layout.staged && p.vectors;
  if (tuning.design == Design::kSteps) {
    if (a.scratch == nullptr) return cudaErrorInvalidValue;
    return RunBackwardSteps(p, a.shape, a.scratch, stream);
  }
  if (!layout.fits) return cudaErrorInvalidValue;
  return RunBackward(p, layout, a.shape, stream);
}

}  // namespace

size_t SpatialPropagationScratchBytes(const SpatialPropagationShape& shape,
                                      const SpatialPropagationTuning& tuning,
                                      size_t element_bytes) {
  if (tuning.design != Design::kSteps) return 0;
  // States of a tile and the one before it, products of two steps.
  const int64_t lines = kTile + 1 + 2 * shape.connections;
  const int64_t lanes = shape.height > shape.width ? shape.height : shape.width;
  return static_cast<size_t>(lines * shape.planes() * lanes) * element_bytes;
}

template <>
cudaError_t LaunchSpatialPropagationForward(
    const SpatialPropagationForwardArguments<float>& arguments,
    cudaStream_t stream) {
  return arguments.shape.bfloat16_gates
             ? Forward<float, __nv_bfloat16>(arguments, stream)
             : Forward<float, float>(arguments, stream);
}

template <>
cudaError_t LaunchSpatialPropagationForward(
    const SpatialPropagationForwardArguments<double>& arguments,
    cudaStream_t stream) {
  if (arguments.shape.bfloat16_gates) return cudaErrorInvalidValue;
  return Forward<double, double>(arguments, stream);
}

template <>
cudaError_t LaunchSpatialPropagationBackward(
    const SpatialPropagationBackwardArguments<float>& arguments,
    cudaStream_t stream) {
  return arguments.shape.bfloat16_gates
             ? Backward<float, __nv_bfloat16>(arguments, stream)
             : Backward<float, float>(arguments, stream);
}

template <>
cudaError_t LaunchSpatialPropagationBackward(
    const SpatialPropagationBackwardArguments<double>& arguments,
    cudaStream_t stream) {
  if (arguments.shape.bfloat16_gates) return cudaErrorInvalidValue;
  return Backward<double, double>(arguments, stream);
}

}  // namespace seg
