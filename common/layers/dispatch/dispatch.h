// What the registration of an operator with LibTorch's dispatcher needs. The
// dispatcher is the one registry of operators: namespace "segpapers", one
// TORCH_LIBRARY_FRAGMENT a source. `torch.ops.segpapers` in Python, autocast,
// fake tensors and CUDA kernels all come in through it, and so does the public
// C++ function of an operator.
//
// A public operator has two kernels, Autograd and CompositeExplicitAutograd
// (what runs where nothing is recorded), which call raw operators without a
// gradient; these have one kernel a device, and Meta (sizes and strides only).
#ifndef COMMON_LAYERS_DISPATCH_DISPATCH_H_
#define COMMON_LAYERS_DISPATCH_DISPATCH_H_

#include <ATen/autocast_mode.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

namespace seg {

// The operator "segpapers::NAME"; throws where it is not registered. Look it up
// once:
//   static const auto op = FindOperator<at::Tensor(const at::Tensor&)>("NAME");
template <typename Signature>
c10::TypedOperatorHandle<Signature> FindOperator(const char* name) {
  return c10::Dispatcher::singleton()
      .findSchemaOrThrow((std::string("segpapers::") + name).c_str(), "")
      .typed<Signature>();
}

// Throws "OP: built without CUDA; use --config=cuda" where `x` is on a GPU and
// the raw operator has no kernel for it.
void CheckBuiltFor(const char* op, const c10::OperatorHandle& raw,
                   const at::Tensor& x);

// x in float32 where autocast is on for its device and it has a smaller type;
// else x itself, also where it is undefined. For functions that are no
// operators.
at::Tensor FloatUnderAutocast(const at::Tensor& x);

// For raw operators, which Python can call too: throws unless x has these sizes
// and the type and device of `like`. A kernel would read beside its memory.
void CheckRaw(const char* op, const at::Tensor& x, at::IntArrayRef sizes,
              const at::Tensor& like);

namespace dispatch_internal {

template <typename Signature>
struct FunctionType;
template <typename R, typename... Arguments>
struct FunctionType<R (*)(Arguments...)> {
  using Type = R(Arguments...);
};

template <at::autocast::CastPolicy kPolicy, c10::DeviceType kDevice,
          auto* kFunction>
void ImplAutocastOn(torch::Library* library, const char* name) {
  using Signature = typename FunctionType<decltype(kFunction)>::Type;
  library->impl(
      name,
      torch::dispatch(
          at::autocast::get_autocast_dispatch_key_from_device_type(kDevice),
          TORCH_FN((
              &at::autocast::WrapFunction<kPolicy, kDevice, Signature,
                                          Signature, kFunction>::type::call))));
}

}  // namespace dispatch_internal

// Under autocast, on a CPU or a GPU, the operator `name` is kFunction of its
// floating-point arguments in float32. kFunction has the operator's signature
// and calls it (autocast is off in there). float64 stays what it is.
template <auto* kFunction>
void AutocastToFloat(torch::Library* library, const char* name) {
  using at::autocast::CastPolicy;
  dispatch_internal::ImplAutocastOn<CastPolicy::fp32, c10::kCPU, kFunction>(
      library, name);
  dispatch_internal::ImplAutocastOn<CastPolicy::fp32, c10::kCUDA, kFunction>(
      library, name);
}

// The same in autocast's own type, float16 or bfloat16: for what is made of
// LibTorch's convolutions.
template <auto* kFunction>
void AutocastToHalf(torch::Library* library, const char* name) {
  using at::autocast::CastPolicy;
  dispatch_internal::ImplAutocastOn<CastPolicy::lower_precision_fp, c10::kCPU,
                                    kFunction>(library, name);
  dispatch_internal::ImplAutocastOn<CastPolicy::lower_precision_fp, c10::kCUDA,
                                    kFunction>(library, name);
}

}  // namespace seg

#endif  // COMMON_LAYERS_DISPATCH_DISPATCH_H_
