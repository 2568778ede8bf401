// Mean-field inference in a fully connected CRF with two Gaussian kernels and
// Potts compatibility (Kraehenbuehl and Koltun 2011, Algorithm 1):
//
//   Q^0     = softmax(-U)
//   Q^{t+1} = softmax(-U + w_s n_s K_s n_s Q^t + w_b n_b K_b n_b Q^t)
//
// K_s: Gaussian of the position, (x, y) / spatial_theta. K_b: Gaussian of
// position and colour, (x, y) / bilateral_theta_position and (R, G, B) /
// bilateral_theta_colour. Both by permutohedral filtering
// (common/layers/permutohedral), self term included, as in densecrf and
// pydensecrf, whose results this reproduces.
#ifndef COMMON_LAYERS_MEAN_FIELD_MEAN_FIELD_H_
#define COMMON_LAYERS_MEAN_FIELD_MEAN_FIELD_H_

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "common/layers/permutohedral/lattice.h"

namespace seg {

// Defaults: the example of densecrf and pydensecrf. A weight of zero leaves its
// kernel out; weights may be negative, thetas must be > 0.
struct MeanFieldOptions {
  int64_t iterations = 10;
  double spatial_theta = 3;  // pixels
  double spatial_weight = 3;
  double bilateral_theta_position = 80;  // pixels
  double bilateral_theta_colour = 13;    // grey levels
  double bilateral_weight = 10;
  LatticeNormalization normalization = LatticeNormalization::kSymmetric;
};

// unary:   [N,L,H,W] float32 or float64, any strides, L >= 1: energies U, i.e.
//          -log of probabilities (clamp those away from 0; finite)
// images:  [N,3,H,W] RGB, 0..255, any dtype and strides, on unary's device
// returns: [N,L,H,W] probabilities Q after `iterations` steps, contiguous
//
// Gradient: to `unary` (through all iterations), when it requires one and
// gradients are enabled; else a faster path that fuses slice, soft-max and the
// next splat, with the same values up to rounding. On a GPU (--config=cuda) it
// is always a composition of soft-max and filters. O(iterations N L P).
// Deterministic, whatever the number of threads.
at::Tensor MeanField(const at::Tensor& unary, const at::Tensor& images,
                     const MeanFieldOptions& options = {});

// The same with lattices already built, one an image and kernel
// (BuildSpatialLattices, BuildBilateralLattices); an empty vector leaves the
// kernel out. The thetas of `options` are not used.
at::Tensor MeanField(const at::Tensor& unary, const LatticeVector& spatial,
                     const LatticeVector& bilateral,
                     const MeanFieldOptions& options);

}  // namespace seg

#endif  // COMMON_LAYERS_MEAN_FIELD_MEAN_FIELD_H_
