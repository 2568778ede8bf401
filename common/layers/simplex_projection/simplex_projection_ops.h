// The raw operators of the simplex projection, as the dispatcher has them: no
// autograd, a kernel for the CPU, for CUDA (with --config=cuda) and for Meta.
// See simplex_projection.h for the definition.
#ifndef COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_PROJECTION_OPS_H_
#define COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_PROJECTION_OPS_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>
#include <type_traits>

#include "common/layers/simplex_projection/simplex_projection_view.h"

namespace seg {

// segpapers::simplex_projection_forward: the projection of x - step * gradient,
// of x without a gradient. [N, L, ...], any strides.
at::Tensor SimplexProjectionForward(const at::Tensor& x,
                                    const std::optional<at::Tensor>& gradient,
                                    double step, double leak);

// segpapers::simplex_projection_backward: J^T g, J the Jacobian of the
// projection whose output was y.
at::Tensor SimplexProjectionBackward(const at::Tensor& y, const at::Tensor& g,
                                     double leak);

// The first of them, for a look at its kernels.
const c10::OperatorHandle& SimplexProjectionForwardOperator();

// What the kernels of all devices share.
namespace simplex {

// Whether the axes after the labels can be walked by one stride: axis d must
// step over all of axis d + 1. Ints: IntArrayRef or SymIntArrayRef.
template <typename Ints>
bool HasPixelStride(const Ints& sizes, const Ints& strides) {
  int64_t inner = -1;  // the last axis seen that is longer than 1
  for (int64_t d = static_cast<int64_t>(sizes.size()) - 1; d >= 2; --d) {
    if (sizes[d] == 1) continue;
    if (inner >= 0 && strides[d] != strides[inner] * sizes[inner]) return false;
    inner = d;
  }
  return true;
}

// Throws unless x is [N, L, ...] with L >= 1 and `other` is like it.
void CheckPair(const at::Tensor& x, const at::Tensor& other);

// `x` itself when its pixels have one stride, else a contiguous copy.
at::Tensor WithPixelStride(const at::Tensor& x);

// What a kernel writes: dense layouts keep their strides, others become
// contiguous, as does one without a stride for the pixels.
at::Tensor EmptyOutput(const at::Tensor& x);

// x is not empty. One pixel an image, as in [N, L]: the images serve as pixels.
SimplexSizes Sizes(const at::Tensor& x);

// T may be const. x has a pixel stride and is not empty.
template <typename T>
SimplexView<T> View(const at::Tensor& x) {
  using Plain = std::remove_const_t<T>;
  SimplexView<T> view;
  if constexpr (std::is_const_v<T>) {
    view.data = x.const_data_ptr<Plain>();
  } else {
    view.data = x.mutable_data_ptr<Plain>();
  }
  const bool rows = x.size(0) * x.size(1) == x.numel();
  view.image_stride = rows ? 0 : x.stride(0);
  view.label_stride = x.stride(1);
  view.pixel_stride = rows ? x.stride(0) : 1;
  for (int64_t d = x.dim() - 1; !rows && d >= 2; --d) {
    if (x.size(d) == 1) continue;
    view.pixel_stride = x.stride(d);
    break;
  }
  return view;
}

}  // namespace simplex
}  // namespace seg

#endif  // COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_PROJECTION_OPS_H_
