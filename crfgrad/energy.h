// The energy of CRF-Grad's field, of a relaxed or a hard labelling:
//
//   E(q) = <u, q> + <q, K q> / 2,   K = K_s + K_b
//
// The 1/2 counts each pair of pixels once, so that the gradient is u + K q for
// a symmetric K. (The released layer reports <u, q> + <q, K q>.) Of a free
// filter E sees the symmetric part of K alone.
//
// E also holds what a pixel has with itself, q_m^T S_m q_m / 2: the centre tap
// of the spatial filter, where it is not masked, and the lattice's own response
//   S_m[l][k] = n_m^2 sum_{r,r'} b_r b_r' F[l][k][offset of r' from r].
// The paper's energy has no such term: that is E less CrfSelfEnergy.
//
//   unary:    u [N,L,H,W], float32 or float64 (CrfUnary)
//   q:        [N,L,H,W] of the same type; a hard labelling is HardLabelling
//   filters:  CrfLayerImpl::filters(); unary_weight is not read
//   lattices: N lattices; not looked at without the bilateral filter
//
// Larsson, Arnab, Kahl, Zheng, Torr 2017, "Learning Arbitrary Pairwise
// Potentials in CRFs for Semantic Segmentation", Sec. 3, Eq. 1 to 6.
#ifndef CRFGRAD_ENERGY_H_
#define CRFGRAD_ENERGY_H_

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "crfgrad/crf_layer.h"

namespace seg {
namespace crfgrad {

// One number an image, [N] each, of q's type.
struct EnergyParts {
  at::Tensor unary;      // <u, q>
  at::Tensor spatial;    // <q, K_s q> / 2; zero without the term
  at::Tensor bilateral;  // <q, K_b q> / 2; zero without the term

  at::Tensor Total() const;
};

// Differentiable in unary, q and filters. Cost: one filtering.
EnergyParts CrfEnergy(const at::Tensor& unary, const at::Tensor& q,
                      const CrfFilters& filters, const LatticeVector& lattices);

// sum_m q_m^T S_m q_m / 2, [N] of q's type. On the CPU, in double, without a
// gradient. (d+1) taps look-ups a pixel.
at::Tensor CrfSelfEnergy(const at::Tensor& q, const CrfFilters& filters,
                         const LatticeVector& lattices);

// Ones at the labels, else zeros: [N,L,H,W] of `like`'s type and device, its L.
//   labels: [N,H,W], integers in [0, L)
at::Tensor HardLabelling(const at::Tensor& labels, const at::Tensor& like);

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_ENERGY_H_
