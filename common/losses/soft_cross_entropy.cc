#include "common/losses/soft_cross_entropy.h"

#include <ATen/ATen.h>

#include "common/layers/dispatch/dispatch.h"

namespace seg {
namespace {

at::Tensor Sum(const at::Tensor& scores, const at::Tensor& target) {
  TORCH_CHECK(scores.dim() >= 2,
              "SoftCrossEntropySum: scores must be [N, C, ...], got sizes ",
              scores.sym_sizes());
  TORCH_CHECK(
      scores.scalar_type() == at::kFloat || scores.scalar_type() == at::kDouble,
      "SoftCrossEntropySum: scores must be float32 or float64, got ",
      scores.scalar_type());
  TORCH_CHECK(target.sym_sizes() == scores.sym_sizes(),
              "SoftCrossEntropySum: target must have the sizes of scores, ",
              scores.sym_sizes(), ", got ", target.sym_sizes());
  TORCH_CHECK(target.scalar_type() == scores.scalar_type(),
              "SoftCrossEntropySum: target must have the type of scores, ",
              scores.scalar_type(), ", got ", target.scalar_type());
  return -(target.detach() * at::log_softmax(scores, 1)).sum();
}

}  // namespace

at::Tensor SoftCrossEntropySum(const at::Tensor& scores,
                               const at::Tensor& target) {
  static const auto op = FindOperator<decltype(Sum)>("soft_cross_entropy_sum");
  return op.call(scores, target);
}

at::Tensor LabelPyramidDown(const at::Tensor& target, int64_t levels) {
  TORCH_CHECK(target.dim() == 4,
              "LabelPyramidDown: target must be [N, C, H, W], got sizes ",
              target.sizes());
  TORCH_CHECK(
      target.scalar_type() == at::kFloat || target.scalar_type() == at::kDouble,
      "LabelPyramidDown: target must be float32 or float64, got ",
      target.scalar_type());
  TORCH_CHECK(levels >= 1 && levels < 31,
              "LabelPyramidDown: levels must be in 1..30, got ", levels);
  const int64_t block = int64_t{1} << levels;
  TORCH_CHECK(target.size(2) % block == 0 && target.size(3) % block == 0,
              "LabelPyramidDown: height and width must be multiples of ", block,
              ", got ", target.size(2), " x ", target.size(3));
  at::Tensor pooled = target.detach();
  for (int64_t level = 0; level < levels; ++level) {
    for (int64_t axis : {2, 3}) {
      const int64_t size = pooled.size(axis);
      pooled = at::maximum(pooled.slice(axis, 0, size, 2),
                           pooled.slice(axis, 1, size, 2));
    }
  }
  const at::Tensor sum = pooled.sum(1, /*keepdim=*/true);
  return pooled / sum.masked_fill(sum == 0.0, 1.0);  // 0 / 1 in void blocks
}

// Of LibTorch's operators, on every device.
TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  m.def("soft_cross_entropy_sum(Tensor scores, Tensor target) -> Tensor",
        TORCH_FN(Sum));
  AutocastToFloat<&SoftCrossEntropySum>(&m, "soft_cross_entropy_sum");
}

}  // namespace seg
