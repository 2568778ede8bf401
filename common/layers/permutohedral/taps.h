// The support of a learnable filter on the permutohedral lattice A*_d.
//
// An offset is an integer tuple n = (n_0..n_d) modulo (1,..,1): n_k unit steps
// along axis k, where one step subtracts 1 from every lattice coordinate and
// adds d+1 to coordinate k (the d+1 steps sum to zero). Its representative has
// min(n) = 0. The support of size s is every n in {0..s}^{d+1} with at least
// one zero, in lexicographic order with axis 0 slowest; tap 0 is the centre.
// For s = 1 the tuple read as a binary number, axis 0 first, is the tap's
// index.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_TAPS_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_TAPS_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"

namespace seg {

// Number of taps, (s+1)^(d+1) - s^(d+1): 63 for d=5 s=1, 665 for d=5 s=2.
int64_t PermutohedralTaps(int64_t dim, int64_t support);

// Inverse of PermutohedralTaps in s; throws if no support has that many taps.
int64_t PermutohedralSupport(int64_t dim, int64_t taps);

// The offsets, [taps][d+1].
std::vector<std::vector<int64_t>> PermutohedralOffsets(int64_t dim,
                                                       int64_t support);

// Index of the tap at offset -n, whose representative is max(n) - n; [taps].
std::vector<int64_t> PermutohedralReflection(int64_t dim, int64_t support);

// The fixed Gaussian, [taps] double: the d+1 passes of [1/2 1 1/2], each
// truncated to the support, divided by the centre. d=5 s=1 by number of ones:
// 1, 17/33, 10/33, 8/33, 10/33, 17/33.
at::Tensor PermutohedralGaussianTaps(int64_t dim, int64_t support);

// Tied (symmetric) filter (F[l][m][o] + F[m][l][-o]) / 2 of a free filter.
//   filter: [L,L,taps] -> [L,L,taps]. Differentiable.
// The filtering operator of the result is symmetric, so that q^T K q is an
// energy whose gradient is 2 K q.
at::Tensor TiedPermutohedralFilter(const at::Tensor& filter, int64_t dim);

}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_TAPS_H_
