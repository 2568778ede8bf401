// For operators whose gradient cannot be differentiated again: a graph of it
// may be recorded (create_graph), as a gradient penalty elsewhere in the
// network needs; only who differentiates through it gets an error.
#ifndef COMMON_LAYERS_ONCE_DIFFERENTIABLE_ONCE_DIFFERENTIABLE_H_
#define COMMON_LAYERS_ONCE_DIFFERENTIABLE_ONCE_DIFFERENTIABLE_H_

#include <ATen/core/Tensor.h>

#include <vector>

namespace seg {

// At the end of a backward pass, after the gradients were computed under
// NoGradGuard: differentiating them throws "OP: second derivatives are not
// supported". Does nothing where no graph is recorded.
//   sources: what the gradients depend on, the gradient of the output and the
//            saved inputs.
//   gradients: changed in place; may hold undefined tensors.
void RefuseSecondDerivatives(const char* op, at::TensorList sources,
                             std::vector<at::Tensor>* gradients);

}  // namespace seg

#endif  // COMMON_LAYERS_ONCE_DIFFERENTIABLE_ONCE_DIFFERENTIABLE_H_
