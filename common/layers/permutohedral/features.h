// Feature vectors of pixels for the permutohedral lattice, and lattices of a
// batch of images. Pixels are numbered row by row: p = y W + x.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_FEATURES_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_FEATURES_H_

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "common/layers/permutohedral/lattice.h"

namespace seg {

// Order of the five bilateral features. The embedding in the lattice is not
// invariant to it, so a bit-level comparison needs the order of the reference.
enum class BilateralOrder {
  kXYRGB,  // (x, y, R, G, B): densecrf, pydensecrf
  kYXBGR,  // (y, x, B, G, R): the released CRF-Grad layer
};

// image: [3,H,W] RGB, 0..255, any dtype, device and strides; theta_position in
// pixels, theta_colour in grey levels, both > 0. Returns [H*W,5] float32
// (strides 1, H*W), the same bits on every device.
at::Tensor BilateralFeatures(const at::Tensor& image, double theta_position,
                             double theta_colour,
                             BilateralOrder order = BilateralOrder::kXYRGB);

// (x, y) / theta, [H*W,2] float32 (strides 1, H*W).
at::Tensor SpatialFeatures(int64_t height, int64_t width, double theta);

// One lattice an image, built by at most `threads` threads at a time (0: as
// many as at::get_num_threads()). images: [N,3,H,W] as above; on a GPU one
// build for all, there.
LatticeVector BuildBilateralLattices(
    const at::Tensor& images, double theta_position, double theta_colour,
    int64_t threads = 0, BilateralOrder order = BilateralOrder::kXYRGB);

// The spatial lattice does not depend on the image: one, shared N times.
LatticeVector BuildSpatialLattices(int64_t batch, int64_t height, int64_t width,
                                   double theta,
                                   const c10::Device& device = c10::kCPU);

}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_FEATURES_H_
