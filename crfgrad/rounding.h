// From a relaxed labelling to a hard one that costs no more.
//
// E(q) (energy.h) is linear in the labels q_m of one pixel while the others
// stay, but for what the pixel has with itself; so some single label is at
// least as good as q_m. Pixel after pixel, row by row, takes
//
//   x_m = argmin_l  u[m,l] + sum_{j != m} sum_k K[(m,l),(j,k)] v[j,k]
//                   (+ S_m[l][l] / 2 where the self terms count)
//
// where v is x for the pixels that are done and q for the others, K stands for
// its symmetric part, and the lowest of equal labels is taken. Then
//
//   kLeftOut   E(x) - self(x) <= E(q) - self(q): always (self: CrfSelfEnergy)
//   kCounted   E(x) <= E(q): where every S_m is concave on the simplex, i.e.
//              d^T S_m d <= 0 for directions d of sum zero. So it is for both
//              starts of the layer with weights that are not negative (less for
//              equal labels, more for different ones), with or without the
//              centre tap. LEARNED bilateral filters, and a learned centre tap
//              that is not masked, may break it, and then E(x) may be above
//              E(q): a pixel alone with S = identity costs 1/4 at
//              q = (1/2, 1/2), but 1/2 with either label.
//
// for q on the simplex (leak 0). The arg-max of each pixel has no such bound.
//
// Larsson et al. 2017, Sec. 3: the relaxation is tight; the proof, made a
// procedure.
#ifndef CRFGRAD_ROUNDING_H_
#define CRFGRAD_ROUNDING_H_

#include "ATen/core/Tensor.h"
#include "crfgrad/crf_layer.h"

namespace seg {
namespace crfgrad {

// Whether the energy that must not rise has the self terms in it: as the layer
// descends it, or as the paper writes it.
enum class SelfTerms { kCounted, kLeftOut };

//   unary, q: [N,L,H,W] float32 or float64, any device; filters and lattices as
//   in energy.h, the lattices on the CPU.
//   returns: labels int64 [N,H,W], on the CPU.
// In double, whatever the type; no gradient. Exact: changed pixels are splatted
// anew, nothing is approximated. A pixel costs (2 r + 1)^2 L^2 multiply-adds
// and, on the lattice, (d+1) taps L^2. One thread an image.
at::Tensor RoundSequentially(const at::Tensor& unary, const at::Tensor& q,
                             const CrfFilters& filters,
                             const LatticeVector& lattices,
                             SelfTerms self = SelfTerms::kCounted);

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_ROUNDING_H_
