// For operators whose public C++ function does all on real memory: what lets
// torch.compile, export and fake tensors through to them. Such a function is an
// operator of three parts: the function itself on CPU and CUDA tensors, its
// sizes (Meta), and under autograd the function again, but for tensors that
// stand for others: those get an autograd::Function of two operators, of the
// function and of its gradient.
#ifndef COMMON_LAYERS_DISPATCH_TRACED_H_
#define COMMON_LAYERS_DISPATCH_TRACED_H_

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace seg {

// Whether one of them holds no values of its own: fake, functional (a trace),
// batched (vmap), or on the Meta device.
bool IsTraced(at::TensorList tensors);

// d <function(inputs), g> / d inputs, undefined where not wanted. Runs the
// function again, with a graph. Inside a kernel below autograd.
//   function: of tensors equal to inputs.
std::vector<at::Tensor> GradientByRecomputation(
    const std::function<at::Tensor(const std::vector<at::Tensor>&)>& function,
    const std::vector<at::Tensor>& inputs, const std::vector<bool>& wanted,
    const at::Tensor& g);

}  // namespace seg

#endif  // COMMON_LAYERS_DISPATCH_TRACED_H_
