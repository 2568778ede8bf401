// The filters of permutohedral.h on lattices of a device (internal).
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_DEVICE_FILTER_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_DEVICE_FILTER_H_

#include <cstdint>
#include <utility>

#include "ATen/core/Tensor.h"
#include "common/layers/permutohedral/lattice.h"

namespace seg {
namespace permutohedral {

// What the filters do besides the values. Lattices of one batch in its order go
// at once, others image by image.
struct DeviceFilter {
  const LatticeVector& lattices;  // N >= 1, all on one device
  LatticeNormalization normalization;
  int64_t support = 0;  // 0: the separable Gaussian
};

// values: [N,L,P] of the lattices' device, any strides.

// K x for the separable Gaussian, of `reverse`d axes, or its transpose.
at::Tensor DeviceGaussian(const DeviceFilter& filter, const at::Tensor& values,
                          bool reverse, bool transpose);

// [N,L_out,P] for taps [L_out,L,taps].
at::Tensor DeviceTaps(const DeviceFilter& filter, const at::Tensor& values,
                      const at::Tensor& taps);

// Gradients to values and taps; undefined where not wanted.
std::pair<at::Tensor, at::Tensor> DeviceTapsBackward(const DeviceFilter& filter,
                                                     const at::Tensor& gradient,
                                                     const at::Tensor& values,
                                                     const at::Tensor& taps,
                                                     bool want_values,
                                                     bool want_taps);

}  // namespace permutohedral
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_DEVICE_FILTER_H_
