// Filtering on the permutohedral lattice: the fixed separable Gaussian and the
// learnable filter with one kernel per ordered label pair.
//
// Both splat values to the vertices with barycentric weights (B^T), combine
// vertices (C), and slice back (B): K = B C B^T, between the diagonal scalings
// of LatticeNormalization. The lattices are constants: gradients flow to values
// and filter, not to the features. A point is its own neighbour (K_ii != 0), as
// in densecrf.
//
//   values:   [N,L,H,W] or [N,L,P] float32 or float64 on the CPU or a GPU, any
//             strides; N >= 0, L >= 1
//   lattices: N lattices (the same one may appear often) of P = H W points
//             each, on the values' device
//
// Under autocast half types are taken in float32.
//
// Deterministic: the result does not depend on the number of threads. On a GPU
// sums are made in another order, fixed as well. The
// Gaussian has derivatives of any order. PermutohedralFilter has one: a graph
// of its gradient may be recorded, differentiating that is refused with an
// error.
//
// float32 sums: the splat adds the n points of a vertex one after the other, so
// the sum's relative error is at most n 2^-24 (6e-8 n) for values of one sign;
// of about 1e-5 for n = 2e5 where weights vary. Beyond n = 2^24 nothing more is
// added. The normaliser is summed the same way but does not cancel it. A
// lattice with more than 1e5 points on a vertex (theta of a large image's size,
// video, volumes) should filter float64 values.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_PERMUTOHEDRAL_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_PERMUTOHEDRAL_H_

#include "ATen/core/Tensor.h"
#include "common/layers/permutohedral/features.h"
#include "common/layers/permutohedral/lattice.h"
#include "common/layers/permutohedral/taps.h"

namespace seg {

// Approximates sum_j exp(-|f_i - f_j|^2 / 2) values[j] by d+1 blurs
// [1/2 1 1/2] along the axes and the factor 1 / (1 + 2^-d) of densecrf
// (Kraehenbuehl and Koltun 2011); without normalisation up to a constant below
// one that depends on d (0.87 for d=2). Returns values' shape, contiguous.
//
// The blurs do not commute where vertices are missing; `reverse` runs them in
// the opposite order, which is the exact adjoint and what the backward uses.
// O(N L (P d + M d)) for M vertices.
at::Tensor PermutohedralGaussian(
    const at::Tensor& values, const LatticeVector& lattices,
    LatticeNormalization normalization = LatticeNormalization::kSymmetric,
    bool reverse = false);

// Learnable filter of the support s given by the number of taps (see taps.h):
//   Y[v,l] = sum_o sum_m filter[l,m,o] U[neighbour of v at offset o, m]
// where U is the splat of the (normalised) values; missing neighbours count as
// zero (Larsson et al. 2017, Sec. 4; Jampani et al. 2016).
//
//   filter:  [L_out,L,taps], values' dtype, any strides
//   returns: [N,L_out,H,W] or [N,L_out,P], contiguous
//
// The normalisation comes from the fixed Gaussian taps of the same support
// (PermutohedralGaussianTaps) applied to ones through the same neighbours, not
// from `filter`: the output is linear in `filter`. The filter's gradient is
// summed over vertices in double, in a fixed order. On a GPU float32 products
// of values and filter are in TF32 where those of matrices may be
// (at::Context::setAllowTF32CuBLAS; not by default). O(N M pairs L L_out).
at::Tensor PermutohedralFilter(
    const at::Tensor& values, const at::Tensor& filter,
    const LatticeVector& lattices,
    LatticeNormalization normalization = LatticeNormalization::kSymmetric);

}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_PERMUTOHEDRAL_H_
