// Principal axes that shorten features: un-centred PCA, as O2P has it.
#ifndef SEGNET_RERANK_O2P_PROJECTION_H_
#define SEGNET_RERANK_O2P_PROJECTION_H_

#include <cstdint>

#include "ATen/core/Tensor.h"

namespace seg {
namespace segnet_rerank {

// The axes along which rows have most energy: the leading eigenvectors of
// rows^T rows. No mean is taken off, so that a row of 0 stays 0.
//   rows: float32/float64 [N,K], N >= 1, K >= 1, on the CPU, finite.
//   most: >= 1.
//   returns: [K,P] of the type of rows, orthonormal columns, most energy first;
//     P = min(most, rank of rows). The largest element of a column by magnitude
//     is positive. Project rows by rows.mm(axes).
// In float64, exact (no random sketch): the eigen-decomposition of the smaller
// of rows rows^T and rows^T rows. With n = min(N, K): O(N K n + n^3) time and
// 16 n^2 bytes, so give it some thousands of rows at most.
at::Tensor PrincipalAxes(const at::Tensor& rows, int64_t most);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_O2P_PROJECTION_H_
