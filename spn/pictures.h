// Pictures of what a guidance network has learned: the gates, and what a pixel
// gives to the others.
#ifndef SPN_PICTURES_H_
#define SPN_PICTURES_H_

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "common/layers/spatial_propagation/spatial_propagation.h"
#include "common/reporting/overlay.h"

namespace seg {
namespace spn {

// The gates that the recurrence uses, from the raw ones of one direction [N,K
// C,H,W], by the rule of `options`; those without a source inside the image are
// zero. For pictures and tests: the operator itself never makes this tensor.
at::Tensor NormalizedGates(const at::Tensor& gates, ScanDirection direction,
                           const SpatialPropagationOptions& options);

// Gates as colours. gates: raw, [1,12C,h,w] or [1,4C,h,w]. Returns uint8
// [3,.,.]: four panels (left to right, right to left, top to bottom, bottom to
// top), each the mean over channels with red, green and blue for p_-1, p_0 and
// p_+1 (one-way: all three p_0); -1 is 0, 0 is mid grey, 1 is 255.
at::Tensor GatesPicture(const at::Tensor& gates,
                        const SpatialPropagationOptions& options);

// What the pixel (x, y) of `image` gives to the others: the response to an
// impulse there in every channel, its absolute value, mean over channels, each
// panel relative to its largest value away from the pixel. Returns uint8
// [3,H,.]: the image with the pixel marked, the four directions, and the
// cascade of `units` with its maximum over directions, drawn over the image.
//   image: uint8 [3,H,W]; gates: raw, [1,.,h,w] of the same view (h, w are half
//   of H, W or less: Model::PredictGates)
at::Tensor AffinityPicture(const at::Tensor& image, const at::Tensor& gates,
                           int64_t x, int64_t y, int64_t units,
                           const SpatialPropagationOptions& options);

}  // namespace spn
}  // namespace seg

#endif  // SPN_PICTURES_H_
