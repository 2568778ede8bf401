// Small fields for tests of the energy and of rounding: filters, lattices and
// K as a dense matrix.
#ifndef CRFGRAD_TINY_FIELD_H_
#define CRFGRAD_TINY_FIELD_H_

#include <ATen/ATen.h>

#include <cstdint>

#include "common/layers/label_convolution/label_convolution.h"
#include "common/layers/permutohedral/features.h"
#include "common/layers/permutohedral/lattice.h"
#include "common/layers/permutohedral/taps.h"
#include "crfgrad/crf_layer.h"
#include "crfgrad/energy.h"

namespace seg {
namespace crfgrad {

// One lattice a random image; near pixels of near colours share vertices.
inline LatticeVector TinyLattices(int64_t batch, int64_t height,
                                  int64_t width) {
  return BuildBilateralLattices(
      at::randint(0, 256, {batch, 3, height, width}, at::kDouble), 3, 60);
}

// Of both terms, in double: 3 x 3 pixels with the centre tap, and 63 taps.
inline CrfFilters RandomFilters(int64_t labels, bool tied) {
  CrfFilters filters;
  filters.spatial = at::randn({labels, labels, 3, 3}, at::kDouble);
  filters.bilateral = at::randn({labels, labels, 63}, at::kDouble) / 3;
  if (tied) {
    filters.spatial = TiedKernel(filters.spatial);
    filters.bilateral = TiedPermutohedralFilter(filters.bilateral, 5);
  }
  return filters;
}

// On the simplex, some of it near the corners.
inline at::Tensor RandomLabelling(at::IntArrayRef sizes) {
  return at::softmax(2 * at::randn(sizes, at::kDouble), 1);
}

// K of one image as a matrix [L P, L P], label-major, one column a unit vector.
inline at::Tensor DenseK(const CrfFilters& filters, const LatticePtr& lattice,
                         int64_t labels, int64_t height, int64_t width) {
  const int64_t size = labels * height * width;
  const at::Tensor units =
      at::eye(size, at::kDouble).view({size, labels, height, width});
  return CrfPairwise(units, filters, LatticeVector(size, lattice))
      .view({size, size})
      .t();
}

// `lattice` of a batch of one; none for none.
inline LatticeVector Only(const LatticePtr& lattice) {
  return lattice == nullptr ? LatticeVector() : LatticeVector({lattice});
}

inline double Value(const at::Tensor& one) { return one.item<double>(); }

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_TINY_FIELD_H_
