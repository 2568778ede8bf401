// Contours of a photograph, and how well the boundaries of labellings follow
// them (section 9 of the fact sheet, which gives the numbers of thresholds and
// bins; their values and the weights are ours).
#ifndef SEGNET_RERANK_CONTOURS_H_
#define SEGNET_RERANK_CONTOURS_H_

#include <cstdint>

#include "ATen/core/Tensor.h"

namespace seg {
namespace segnet_rerank {

// Thinned strength of the colour gradient.
//   image: uint8 [3,H,W], sRGB, on the CPU, any strides; H W >= 1.
//   returns: float32 [H,W] in [0,1]; 1 is the step from black to white, and
//     most pixels are 0.
// Sobel's operator on L, a and b of CIELAB, the image continued by its border;
// the strength is the root of the six squares, divided by 100 and at most 1.
// Thinned along the axis of the greater gradient: a pixel stays if it is
// stronger than the one before and not weaker than the one after, so that of a
// step, whose two pixels are equally strong, the left or upper one stays.
// O(H W), threads share the rows.
at::Tensor ContourStrength(const at::Tensor& image);

// Contours of strength t_j = 0.02 * 25^(j/9) or more, j = 0 .. 9: 0.02 to 0.5.
constexpr int64_t kContourThresholds = 10;
// Distances, in pixels: up to 1, 2, 4, 8, 16, and beyond or no such pixel.
constexpr int64_t kDistanceBins = 6;
constexpr int64_t kContourFeatures = 2 * kContourThresholds * kDistanceBins;

// labels: uint8 [M,H,W], contours: float32 [H,W], >= 0; on the CPU, any
//   strides; H W >= 1.
// returns: float64 [M,120], as [M, direction, threshold, bin]:
//   direction 0: boundary pixels of the labelling, by the distance to the
//     nearest contour of the threshold
//   direction 1: strengths of the contours of the threshold, summed by the
//     distance to the nearest boundary pixel of the labelling
// The 60 numbers of a direction are divided by their sum, where it is not 0. A
// boundary pixel is one with another label to its right or below. Distances are
// exact. O((10 + M) H W), threads share the distance transforms.
at::Tensor ContourAgreement(const at::Tensor& labels,
                            const at::Tensor& contours);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_CONTOURS_H_
