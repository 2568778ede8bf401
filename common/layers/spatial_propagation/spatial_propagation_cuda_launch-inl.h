// From the arguments of a launcher to the problem of a kernel. Included by the
// .cu files of the spatial propagation.

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_LAUNCH_INL_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_LAUNCH_INL_H_

#include <cstdint>
#include <initializer_list>

#include "common/cuda/kernel.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_plan.h"

namespace seg {
namespace spatial_propagation_cuda {

inline bool Aligned(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % 16 == 0;  // null is
}

// Whether rows are whole vectors of every type and every tensor begins with
// one. Both passes take groups of four columns.
template <typename T, typename G>
bool Vectors(const SpatialPropagationShape& shape,
             std::initializer_list<const void*> tensors) {
  constexpr int64_t kLeast = 4;
  if (shape.width % kLeast != 0 || shape.width * sizeof(T) % 16 != 0 ||
      shape.width * sizeof(G) % 16 != 0) {
    return false;
  }
  for (const void* tensor : tensors) {
    if (!Aligned(tensor)) return false;
  }
  return true;
}

inline Form FormOf(SpatialPropagationDesign design) {
  return design == SpatialPropagationDesign::kShared       ? kFormShared
         : design == SpatialPropagationDesign::kDirections ? kFormDirections
                                                           : kFormGlobal;
}

// All but the pointers.
template <typename T, typename G>
Problem<T, G> MakeProblem(const SpatialPropagationShape& shape,
                          const SpatialPropagationTuning& tuning,
                          const Layout& layout) {
  Problem<T, G> p = {};
  p.channels = static_cast<int>(shape.channels);
  p.height = static_cast<int>(shape.height);
  p.width = static_cast<int>(shape.width);
  p.first_direction = shape.first_direction;
  p.directions = shape.directions;
  p.sum_all = shape.sum_all_gates;
  double floor, plus;
  SetRule(shape.normalization, &p.tanh, &p.no_rule, &p.divided_at_floor, &floor,
          &plus);
  p.floor = static_cast<T>(floor);
  p.plus = static_cast<T>(plus);
  p.form = FormOf(tuning.design);
  p.teams = static_cast<int>(layout.teams);
  p.warps = static_cast<int>(layout.warps);
  p.stride = static_cast<int>(layout.stride);
  p.stages = tuning.stages;
  p.cluster = tuning.design == SpatialPropagationDesign::kDirections ? 4
              : tuning.design == SpatialPropagationDesign::kGlobal
                  ? tuning.cluster
                  : 1;
  p.merges = layout.merges;
  p.whole_tiles = p.cluster == 1 && shape.height == layout.tile_lanes &&
                  shape.width == layout.tile_lanes && shape.height % kTile == 0;
  p.tile_lanes = static_cast<int>(layout.tile_lanes);
  p.slot_bytes = static_cast<int>(layout.slot_bytes);
  p.plane_pitch = static_cast<int>(layout.plane_pitch);
  return p;
}

inline bool Sensible(const SpatialPropagationShape& shape,
                     const SpatialPropagationTuning& tuning) {
  return (shape.connections == 1 || shape.connections == 3) &&
         (shape.directions == 4
              ? shape.first_direction == 0
              : shape.directions == 1 && shape.first_direction >= 0 &&
                    shape.first_direction < 4) &&
         shape.pixels() <= INT32_MAX && tuning.stages >= 2 &&
         tuning.stages <= 4 &&
         (tuning.cluster == 1 || tuning.cluster == 2 || tuning.cluster == 4 ||
          tuning.cluster == 8);
}

// Three-way by kDivide has kernels of its own, by design and whether states are
// kept; with bfloat16 gates only where FixedProblem takes the size. All else
// goes through one kernel that is told all this, and so does everything on a
// card before sm_90, for which only that one is compiled.
inline bool HasKernelsOfItsOwn(const SpatialPropagationShape& shape) {
  return shape.connections == 3 &&
         shape.normalization == GateNormalization::kDivide &&
         !shape.sum_all_gates && DeviceHasClusters();
}
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
template <bool kDivideRule>
constexpr bool kCompiled = !kDivideRule;
#else
template <bool kDivideRule>
constexpr bool kCompiled = true;
#endif

// Whether the kernels of FixedProblem<T, G, warps, lanes> are for this problem.
template <typename T, typename G>
bool IsFixed(const Problem<T, G>& p, int warps, int lanes) {
  return p.vectors && WholeTiles(p, p.height, p.width, warps, lanes);
}

// A block a plane, or a cluster.
template <class P>
cudaError_t LaunchBlocks(void (*kernel)(const P), const P& problem,
                         const Layout& layout, int64_t planes,
                         cudaStream_t stream) {
  const int64_t blocks = planes * problem.cluster;
  if (blocks > INT32_MAX) return cudaErrorInvalidValue;
  return cuda::LaunchCluster(
      kernel, dim3(static_cast<unsigned>(blocks)),
      dim3(static_cast<unsigned>(layout.teams * layout.warps * kWarp)),
      problem.cluster, static_cast<size_t>(layout.shared_bytes), stream,
      problem);
}

}  // namespace spatial_propagation_cuda
}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_LAUNCH_INL_H_
