#include "ganseg/losses.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "ganseg/geometry.h"
#include "ganseg/heatmaps.h"

namespace seg {
namespace ganseg {
namespace {

constexpr double kMassEpsilon = 1e-6;  // authors' code

at::Tensor PartMasks(const char* name, const at::Tensor& masks) {
  TORCH_CHECK(
      masks.dim() == 4 && masks.size(1) >= 2 && masks.size(2) == masks.size(3),
      name, ": masks must be [N,K+1,S,S] with K >= 1, got ", masks.sizes());
  return masks.narrow(1, 0, masks.size(1) - 1);
}

}  // namespace

at::Tensor DiscriminatorLoss(const at::Tensor& real_scores,
                             const at::Tensor& fake_scores) {
  return at::softplus(fake_scores).mean() + at::softplus(-real_scores).mean();
}

at::Tensor GeneratorLoss(const at::Tensor& fake_scores) {
  return at::softplus(-fake_scores).mean();
}

at::Tensor GradientPenalty(const at::Tensor& scores, const at::Tensor& images,
                           double target) {
  TORCH_CHECK(target >= 0, "GradientPenalty: target must not be negative, got ",
              target);
  TORCH_CHECK(images.requires_grad(),
              "GradientPenalty: images must require gradients before the "
              "scores are computed from them");
  const at::Tensor gradient =
      torch::autograd::grad({scores.sum()}, {images}, /*grad_outputs=*/{},
                            /*retain_graph=*/true, /*create_graph=*/true)[0]
          .flatten(1);
  // The square root of the norm has no part in R1.
  if (target == 0) return gradient.square().sum(1).mean();
  return (at::linalg_vector_norm(gradient, 2, at::IntArrayRef{1}) - target)
      .square()
      .mean();
}

at::Tensor Concentration(const at::Tensor& masks, const at::Tensor& centres) {
  const at::Tensor parts = PartMasks("Concentration", masks);
  TORCH_CHECK(
      centres.sizes() == at::IntArrayRef({parts.size(0), parts.size(1), 2}),
      "Concentration: centres must be [", parts.size(0), ",", parts.size(1),
      ",2], got ", centres.sizes());
  const at::Tensor axis = GridAxis(GridType::kEndpoint, masks.size(2), 0,
                                   masks.options().requires_grad(false));
  // |p - x|^2 is a sum over the two axes: the masks' sums over the other one
  // are enough.
  const at::Tensor rows = parts.sum(3), columns = parts.sum(2);
  const at::Tensor spread =
      ((axis - centres.select(2, 0).unsqueeze(2)).square() * rows +
       (axis - centres.select(2, 1).unsqueeze(2)).square() * columns)
          .sum(2);
  return (spread / (rows.sum(2) + kMassEpsilon)).mean();
}

at::Tensor Area(const at::Tensor& masks, const at::Tensor& points) {
  const at::Tensor parts = PartMasks("Area", masks);
  TORCH_CHECK(points.dim() == 3 && points.size(0) == parts.size(0),
              "Area: points must be [", parts.size(0), ",K*n,2], got ",
              points.sizes());
  const double half = static_cast<double>(masks.size(2)) / 2;
  const at::Tensor target =
      (MeanAbsoluteDeviation(points, parts.size(1)) * half).square() * M_PI;
  return (target - parts.sum(at::IntArrayRef{2, 3})).relu().sum(1).mean();
}

}  // namespace ganseg
}  // namespace seg
