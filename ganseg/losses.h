// Losses of GANSeg (He et al. 2022, section 3.4; forms as in the released
// code). All are scalars, differentiable in every tensor argument.
#ifndef GANSEG_LOSSES_H_
#define GANSEG_LOSSES_H_

#include "ATen/core/Tensor.h"

namespace seg {
namespace ganseg {

// Non-saturating logistic losses of scores [N]:
//   mean softplus(fake) + mean softplus(-real)
at::Tensor DiscriminatorLoss(const at::Tensor& real_scores,
                             const at::Tensor& fake_scores);
//   mean softplus(-fake)
at::Tensor GeneratorLoss(const at::Tensor& fake_scores);

// mean_n (|d scores_n / d images_n| - target)^2, target >= 0 (1 in the released
// code; 0 is R1). `scores` [N] come from `images` [N,3,H,W], which require
// gradients, and score n depends on image n alone (no batch norm between): the
// forward pass that the loss has anyway serves. Differentiable in the
// discriminator's parameters; the gradient of a norm is 0 at 0. Costs a
// backward pass, and its own backward pass about twice that.
at::Tensor GradientPenalty(const at::Tensor& scores, const at::Tensor& images,
                           double target);

// Geometric concentration: masks [N,K+1,S,S] (background last), centres
// [N,K,2]:
//   mean_{n,k} sum_p |p - x_k|^2 M_k(p) / (sum_p M_k(p) + 1e-6)
// with p on the end-point grid, whatever the generator's. A mean over parts:
// the paper's weight grows with K in return. O(1) passes over the masks.
at::Tensor Concentration(const at::Tensor& masks, const at::Tensor& centres);

// Area: masks [N,K+1,S,S], points [N,K*n,2]:
//   mean_n sum_k max(0, pi (tau_k S / 2)^2 - sum_p M_k(p))
// in pixels; tau_k is MeanAbsoluteDeviation whatever the heatmaps are.
at::Tensor Area(const at::Tensor& masks, const at::Tensor& points);

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_LOSSES_H_
