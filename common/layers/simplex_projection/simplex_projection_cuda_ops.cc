// CUDA kernels of the raw operators of simplex_projection_ops.h: stream, device
// and outputs. Linked into what has the operator under --config=cuda.
#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include "common/layers/dispatch/launch.h"
#include "common/layers/simplex_projection/simplex_projection_cuda.h"
#include "common/layers/simplex_projection/simplex_projection_ops.h"

namespace seg {
namespace {

constexpr char kOp[] = "SimplexProjection";

using simplex::CheckPair;
using simplex::EmptyOutput;
using simplex::Sizes;
using simplex::View;
using simplex::WithPixelStride;

at::Tensor ForwardCuda(const at::Tensor& x_any,
                       const std::optional<at::Tensor>& gradient_any,
                       double step, double leak) {
  const c10::DeviceGuard guard(x_any.device());
  CheckPair(x_any, gradient_any.value_or(x_any));
  const at::Tensor y = EmptyOutput(x_any);
  if (y.numel() == 0) return y;
  const at::Tensor x = WithPixelStride(x_any);
  const at::Tensor gradient =
      gradient_any.has_value() ? WithPixelStride(*gradient_any) : at::Tensor();
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "SimplexProjection", [&] {
    SimplexView<const scalar_t> g_view;
    if (gradient.defined()) g_view = View<const scalar_t>(gradient);
    CheckLaunch(
        kOp, SimplexForwardCuda<scalar_t>(Sizes(x), View<const scalar_t>(x),
                                          g_view, static_cast<scalar_t>(step),
                                          static_cast<scalar_t>(leak),
                                          View<scalar_t>(y), CurrentStream(x)));
  });
  return y;
}

at::Tensor BackwardCuda(const at::Tensor& y_any, const at::Tensor& g_any,
                        double leak) {
  const c10::DeviceGuard guard(y_any.device());
  CheckPair(y_any, g_any);
  const at::Tensor r = EmptyOutput(y_any);
  if (r.numel() == 0) return r;
  const at::Tensor y = WithPixelStride(y_any), g = WithPixelStride(g_any);
  AT_DISPATCH_FLOATING_TYPES(y.scalar_type(), "SimplexProjection", [&] {
    CheckLaunch(kOp, SimplexBackwardCuda<scalar_t>(
                         Sizes(y), View<const scalar_t>(y),
                         View<const scalar_t>(g), static_cast<scalar_t>(leak),
                         View<scalar_t>(r), CurrentStream(y)));
  });
  return r;
}

}  // namespace

TORCH_LIBRARY_IMPL(segpapers, CUDA, m) {
  m.impl("simplex_projection_forward", TORCH_FN(ForwardCuda));
  m.impl("simplex_projection_backward", TORCH_FN(BackwardCuda));
}

}  // namespace seg
