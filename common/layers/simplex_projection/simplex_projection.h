// Projection of the label vector of each pixel onto the probability simplex,
// exact or leaky.
//
//   x: [N, L, ...] float32 or float64, any strides, L >= 1, on the CPU or,
//   under
//      --config=cuda, on a GPU. The label axis is dim 1; all later axes are
//      pixels ([N, L] has one pixel an image). Under autocast half types are
//      taken in float32.
//   leak: alpha in [0, 1]. 0 gives the exact Euclidean projection.
//   returns: y, sizes of x (and its strides, if it is dense and the pixels have
//      one stride; else contiguous), with
//        y_l = x_l - tau             if x_l > tau   (active)
//        y_l = alpha (x_l - tau)     otherwise
//      where tau solves sum_l max(x_l - tau, 0) = 1. With alpha = 0, y >= 0 and
//      sum_l y_l = 1; with alpha > 0 inactive entries are <= 0 and the sum is
//      at most 1. An entry equal to tau counts as inactive. The result does not
//      change (up to rounding) when a constant is added to all labels of a
//      pixel, and tau is computed from differences to the largest label, so
//      values such as 1e4 cost no accuracy beyond their own rounding.
//
// Gradient: with K = number of active entries, s_l = 1 if active else alpha,
//   dy_l/dx_m = s_l ([l = m] - [m active] / K),
// the leak taken at the output index l. (Equation 13 of the paper takes it at
// m, which is wrong off the diagonal unless alpha = 1.) At a tie, where an
// entry equals tau, the gradient is the one of the active set of the forward
// pass. The backward pass keeps y only: an entry is active exactly when y_l >
// 0. Differentiable any number of times; y is piecewise linear in x, so second
// derivatives of y itself are zero.
//
// Special values: a pixel with a NaN or a +infinity is NaN in all its labels
// and in its gradient; other pixels are not touched. A label at -infinity is
// inactive (0, or -infinity when leaky) as long as one label is finite; a pixel
// with all labels at -infinity is NaN.
//
// Cost: O(L) time a pixel and round; the number of rounds is at most L, 2 to 4
// on usual data. L = 2 is closed form. Planar memory (pixels adjacent) runs at
// vector width with run-time dispatch; any other layout with one pixel stride
// (channels last) is transposed in small blocks on the way; what has no single
// pixel stride is copied first. Threads split pixels; the result does not
// depend on their number. On a GPU a thread has a pixel, with up to 32 labels
// in registers.
//
// Source: Larsson et al. 2017, "Learning Arbitrary Pairwise Potentials in CRFs
// for Semantic Segmentation", Algorithm 2 and Sec. 4.2; the threshold by
// Newton's method (Michelot 1986; Condat 2016), not by sorting.

#ifndef COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_PROJECTION_H_
#define COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_PROJECTION_H_

#include <ATen/core/Tensor.h>

namespace seg {

at::Tensor SimplexProjection(const at::Tensor& x, double leak = 0.0);

// One step of projected gradient descent in one pass over memory:
// SimplexProjection(q - step * gradient, leak).
//   gradient: sizes and dtype of q, any strides.
// Differentiable in q and gradient; not in step.
at::Tensor SimplexProjectionStep(const at::Tensor& q,
                                 const at::Tensor& gradient, double step,
                                 double leak = 0.0);

}  // namespace seg

#endif  // COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_PROJECTION_H_
