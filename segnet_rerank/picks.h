// From SegNet's coarse output to full labels, without a ranker: three of the
// four ways of Cogswell et al. 2014 (Sec. 6 of our fact sheet), in increasing
// quality.
//
//   naive       the class of each cell, copied over it
//   superpixel  the class of each superpixel, from the cells that it lies in
//   KL pick     of several full labellings the one whose coarse distribution is
//               nearest to the output
//
// ph: float32 or float64 [C,g,g], any strides, on the CPU: the class
// distribution of each cell (SegNet's softmax).
#ifndef SEGNET_RERANK_PICKS_H_
#define SEGNET_RERANK_PICKS_H_

#include <cstdint>

#include "ATen/core/Tensor.h"

namespace seg {
namespace segnet_rerank {

// The most probable class of the cell that a pixel's centre lies in; a centre
// on a border belongs to the later cell. Of equal classes the lowest.
//   returns: uint8 [height,width]; height, width >= 1, C <= 256
at::Tensor NaiveLabels(const at::Tensor& ph, int64_t height, int64_t width);

// The class distribution of each superpixel s,
//   sum over cells of |s and cell| / |s| * ph[cell], areas as in coarse.h.
//   superpixels: int32 [H,W], any strides, on the CPU: 0 .. S-1, S <= H W
//     (Slic)
//   returns: float64 [S,C]
// Sums in double in the order of the pixels. O(H W + P C), P the pieces of
// rows that lie in one superpixel and one cell.
at::Tensor SuperpixelShares(const at::Tensor& ph,
                            const at::Tensor& superpixels);

// The most probable class of each superpixel; of equal classes the lowest.
//   returns: uint8 [H,W]; C <= 256
at::Tensor SuperpixelLabels(const at::Tensor& ph,
                            const at::Tensor& superpixels);

struct CoarseDivergenceOptions {
  // e >= 0: before the divergences ph and q become (v + e) / (1 + C e).
  // Labellings are hard, so most q are 0, and with e = 0 a divergence can be
  // infinite. The paper does not say what it does.
  double smoothing = 1e-2;
  // Of class 0 in q, as it is: the background was over-predicted (Eq. 17).
  double background_weight = 0.02;
};

// How far labellings are from SegNet's output, in three terms, each a sum over
// the cells:
//   KL(ph || q),  KL(q || ph),  background_weight * q[0]
// A cell where q is all 0 (it is void) has no part in them; neither has one
// where ph is.
//   q: [M,C,g,g] of any floating type: ClassShares of M labellings
//   returns: float64 [M,3]. The sum of a row is S(m) of Eq. 17; it can be
//     infinite with smoothing 0.
// O(M C g^2).
at::Tensor CoarseDivergence(const at::Tensor& ph, const at::Tensor& q,
                            const CoarseDivergenceOptions& options = {});

// The labelling with the least S(m), of equals the first. M >= 1.
int64_t KlPick(const at::Tensor& ph, const at::Tensor& q,
               const CoarseDivergenceOptions& options = {});

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_PICKS_H_
