// The pixels of a label map that lie near another label.

#ifndef COMMON_METRICS_BOUNDARY_BAND_H_
#define COMMON_METRICS_BOUNDARY_BAND_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace seg {

struct BoundaryBand {
  std::vector<int64_t> pixels;  // y * W + x, ascending
  // Of each of `pixels`, to the nearest pixel with another label, Euclidean,
  // centre to centre: exact.
  std::vector<int64_t> squared_distances;
};

// The pixels of `target` that have a pixel with another label at most `radius`
// away. Pixels with `ignore_label` are left out, but count as another label for
// those beside them. The border of the image is no boundary.
//   target: uint8 or int64 [H,W], CPU, contiguous.
// Two passes over the picture, then O(radius) for a pixel near the band: the
// nearest pixel with another label is found from the run of equal labels in
// each column beside the pixel, for all labels at once.
BoundaryBand FindBoundaryBand(const at::Tensor& target, double radius,
                              int64_t ignore_label);

}  // namespace seg

#endif  // COMMON_METRICS_BOUNDARY_BAND_H_
