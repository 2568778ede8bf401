// CUDA form of the spatial propagation: launchers, plain C++, no framework. See
// spatial_propagation.h for the definition; README.md says which design is for
// what.
//
// All tensors are dense planes (N, C, H, W in that order) on one device:
//   x, out, gradient, x_gradient   [N, C, H, W] of T, float or double
//   gates, gates_gradient          [N, directions K C, H, W] of T, or bfloat16
//                                  where T is float; normalised in T
//   winner                         [N, C, H, W], the direction of the maximum
//   checkpoints                    SpatialPropagationCheckpointElements of T
// The state of the recurrence is of T. Nothing is allocated, nothing waits for
// the device, and the same arguments give the same bits whatever else runs. The
// maximum does not depend on the order of the directions: equal values have the
// first of them as winner. H W is less than 2^31.

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_H_

#include <cstddef>
#include <cstdint>

#include "common/cuda/runtime.h"
#include "common/layers/spatial_propagation/gate_normalization.h"

namespace seg {

struct SpatialPropagationShape {
  int64_t images = 0;
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  int connections = 3;  // gates a direction: 1 or 3
  GateNormalization normalization = GateNormalization::kDivide;
  bool sum_all_gates = false;
  int first_direction = 0;  // 0 to 3 as in the order of the gates
  int directions = 4;       // 4, or 1: that one alone
  bool bfloat16_gates = false;

  int64_t planes() const { return images * channels; }
  int64_t pixels() const { return height * width; }
};

// How the work lies on the device. What does not fit is an error, but kAuto
// always does.
enum class SpatialPropagationDesign {
  kAuto,
  // A block a plane: two opposite directions at a time, merged in shared
  // memory.
  kShared,
  // The same, merged in the output itself, hence in the second level cache.
  // With a cluster above 1 its blocks share the lanes of a plane.
  kGlobal,
  // A cluster of four blocks a plane, a direction each, merged through
  // distributed shared memory. Four directions only.
  kDirections,
  // A launch a step. Any size; the others take at most 1,552 rows and columns.
  kSteps,
};

struct SpatialPropagationTuning {
  SpatialPropagationDesign design = SpatialPropagationDesign::kAuto;
  int cluster = 1;  // of kGlobal: 1, 2, 4 or 8
  int stages = 2;   // tiles in shared memory a direction: 2, 3 or 4
};

// Steps of a tile: from checkpoint to checkpoint.
constexpr int kSpatialPropagationTile = 8;

// What kAuto stands for on the current device; where it is kSteps, the launch
// needs its scratch.
SpatialPropagationTuning ChooseSpatialPropagationTuning(
    const SpatialPropagationShape& shape, size_t element_bytes, bool training,
    bool backward);

// Elements of the states that the forward pass keeps for the backward pass.
int64_t SpatialPropagationCheckpointElements(
    const SpatialPropagationShape& shape);

// Bytes of `scratch`, 0 for all designs but kSteps.
size_t SpatialPropagationScratchBytes(const SpatialPropagationShape& shape,
                                      const SpatialPropagationTuning& tuning,
                                      size_t element_bytes);

template <typename T>
struct SpatialPropagationForwardArguments {
  SpatialPropagationShape shape;
  SpatialPropagationTuning tuning;
  const T* x = nullptr;
  const void* gates = nullptr;
  T* out = nullptr;
  // For a backward pass: both or none.
  uint8_t* winner = nullptr;
  T* checkpoints = nullptr;
  void* scratch = nullptr;
};

template <typename T>
struct SpatialPropagationBackwardArguments {
  SpatialPropagationShape shape;
  SpatialPropagationTuning tuning;
  const T* x = nullptr;
  const void* gates = nullptr;
  const T* gradient = nullptr;  // of out
  const uint8_t* winner = nullptr;
  const T* checkpoints = nullptr;
  T* x_gradient = nullptr;
  void* gates_gradient = nullptr;  // null: not wanted
  void* scratch = nullptr;
};

// Defined for float and double. An empty problem is success.
template <typename T>
cudaError_t LaunchSpatialPropagationForward(
    const SpatialPropagationForwardArguments<T>& arguments,
    cudaStream_t stream);
template <typename T>
cudaError_t LaunchSpatialPropagationBackward(
    const SpatialPropagationBackwardArguments<T>& arguments,
    cudaStream_t stream);

}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_H_
