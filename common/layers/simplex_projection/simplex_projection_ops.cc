#include "common/layers/simplex_projection/simplex_projection_ops.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include "common/layers/dispatch/dispatch.h"
#include "common/layers/simplex_projection/simplex_projection_cpu.h"

namespace seg {
namespace simplex {

void CheckPair(const at::Tensor& x, const at::Tensor& other) {
  TORCH_CHECK(x.dim() >= 2 && x.size(1) >= 1,
              "SimplexProjection: expected [N, L, ...], got ", x.sizes());
  CheckRaw("SimplexProjection", other, x.sizes(), x);
}

at::Tensor WithPixelStride(const at::Tensor& x) {
  return HasPixelStride(x.sizes(), x.strides()) ? x : x.contiguous();
}

at::Tensor EmptyOutput(const at::Tensor& x) {
  const at::Tensor y = at::empty_like(x);
  if (HasPixelStride(y.sym_sizes(), y.sym_strides())) return y;
  return at::empty_symint(x.sym_sizes(), x.options());
}

SimplexSizes Sizes(const at::Tensor& x) {
  const int64_t images = x.size(0), labels = x.size(1);
  const int64_t pixels = x.numel() / (images * labels);
  if (pixels == 1) return {1, labels, images};
  return {images, labels, pixels};
}

}  // namespace simplex

namespace {

using simplex::CheckPair;
using simplex::EmptyOutput;
using simplex::Sizes;
using simplex::View;
using simplex::WithPixelStride;

// Blocks (of at most 16 KiB of labels) that make a task worth a thread.
constexpr int64_t kGrain = 8;

at::Tensor ForwardCpu(const at::Tensor& x_any,
                      const std::optional<at::Tensor>& gradient_any,
                      double step, double leak) {
  CheckPair(x_any, gradient_any.value_or(x_any));
  const at::Tensor y = EmptyOutput(x_any);
  if (y.numel() == 0) return y;
  const at::Tensor x = WithPixelStride(x_any);
  const at::Tensor gradient =
      gradient_any.has_value() ? WithPixelStride(*gradient_any) : at::Tensor();
  const SimplexSizes sizes = Sizes(x);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "SimplexProjection", [&] {
    const auto x_view = View<const scalar_t>(x);
    const auto y_view = View<scalar_t>(y);
    SimplexView<const scalar_t> g_view;
    if (gradient.defined()) g_view = View<const scalar_t>(gradient);
    at::parallel_for(0, SimplexBlocks(sizes), kGrain,
                     [&](int64_t begin, int64_t end) {
                       SimplexForward<scalar_t>(
                           sizes, x_view, g_view, static_cast<scalar_t>(step),
                           static_cast<scalar_t>(leak), y_view, begin, end);
                     });
  });
  return y;
}

at::Tensor BackwardCpu(const at::Tensor& y_any, const at::Tensor& g_any,
                       double leak) {
  CheckPair(y_any, g_any);
  const at::Tensor r = EmptyOutput(y_any);
  if (r.numel() == 0) return r;
  const at::Tensor y = WithPixelStride(y_any), g = WithPixelStride(g_any);
  const SimplexSizes sizes = Sizes(y);
  AT_DISPATCH_FLOATING_TYPES(y.scalar_type(), "SimplexProjection", [&] {
    const auto y_view = View<const scalar_t>(y);
    const auto g_view = View<const scalar_t>(g);
    const auto r_view = View<scalar_t>(r);
    at::parallel_for(0, SimplexBlocks(sizes), kGrain,
                     [&](int64_t begin, int64_t end) {
                       SimplexBackward<scalar_t>(sizes, y_view, g_view,
                                                 static_cast<scalar_t>(leak),
                                                 r_view, begin, end);
                     });
  });
  return r;
}

at::Tensor ForwardMeta(const at::Tensor& x, const std::optional<at::Tensor>&,
                       double, double) {
  return EmptyOutput(x);
}

at::Tensor BackwardMeta(const at::Tensor& y, const at::Tensor&, double) {
  return EmptyOutput(y);
}

using ForwardSignature = decltype(ForwardCpu);
using BackwardSignature = decltype(BackwardCpu);

}  // namespace

at::Tensor SimplexProjectionForward(const at::Tensor& x,
                                    const std::optional<at::Tensor>& gradient,
                                    double step, double leak) {
  static const auto op =
      FindOperator<ForwardSignature>("simplex_projection_forward");
  const at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(x, gradient, step, leak);
}

at::Tensor SimplexProjectionBackward(const at::Tensor& y, const at::Tensor& g,
                                     double leak) {
  static const auto op =
      FindOperator<BackwardSignature>("simplex_projection_backward");
  const at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(y, g, leak);
}

const c10::OperatorHandle& SimplexProjectionForwardOperator() {
  static const auto op =
      FindOperator<ForwardSignature>("simplex_projection_forward");
  return op;
}

TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  m.def(
      "simplex_projection_forward(Tensor x, Tensor? gradient, float step, "
      "float leak) -> Tensor");
  m.def(
      "simplex_projection_backward(Tensor y, Tensor g, float leak) -> Tensor");
}

TORCH_LIBRARY_IMPL(segpapers, CPU, m) {
  m.impl("simplex_projection_forward", TORCH_FN(ForwardCpu));
  m.impl("simplex_projection_backward", TORCH_FN(BackwardCpu));
}

TORCH_LIBRARY_IMPL(segpapers, Meta, m) {
  m.impl("simplex_projection_forward", TORCH_FN(ForwardMeta));
  m.impl("simplex_projection_backward", TORCH_FN(BackwardMeta));
}

}  // namespace seg
