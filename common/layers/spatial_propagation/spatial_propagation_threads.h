// Spreads a pass of spatial_propagation_cpu.h over threads, with one block of
// scratch. For spatial_propagation.cc only.

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_THREADS_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_THREADS_H_

#include <ATen/core/Tensor.h>

#include "common/layers/spatial_propagation/spatial_propagation_cpu.h"

namespace seg {

// Threads for this problem.
int SpatialPropagationThreads(const SpatialPropagationPlan& plan);

// Whether two tasks share an image's directions, with maps of their own for all
// but the first two. Half of the channels would be nearly as many cache lines
// as all.
bool SpatialPropagationSharesDirections(const SpatialPropagationPlan& plan);

// All tasks. options: of the scratch. The results do not depend on the number
// of threads by a bit.
template <typename T>
void SpatialPropagationForwardOnThreads(
    const SpatialPropagationPlan& plan,
    const SpatialPropagationForwardTensors<T>& t,
    const at::TensorOptions& options);

// x_gradient: the tensor behind t.x_gradient.
template <typename T>
void SpatialPropagationBackwardOnThreads(
    const SpatialPropagationPlan& plan,
    const SpatialPropagationBackwardTensors<T>& t,
    const at::Tensor& x_gradient);

}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_THREADS_H_
