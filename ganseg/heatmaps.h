// From points to parts: centres, scales, heatmaps and style maps.
//
// Points of K parts, n each, are [N,K*n,2], those of part 0 first; coordinates
// (row, column) in [-1,1]. All is differentiable, float32 or float64.
#ifndef GANSEG_HEATMAPS_H_
#define GANSEG_HEATMAPS_H_

#include <cstdint>
#include <optional>

#include "ATen/core/Tensor.h"

namespace seg {
namespace ganseg {

// H(p) at distance d from the centre, with scale tau:
//   kGaussian: exp(-d^2 / tau)       kCone: max(0, 1 - d / tau)
// The paper describes the first; the released runs have the second.
enum class HeatmapType { kGaussian, kCone };

// Added to every estimated scale (authors' code).
constexpr double kScaleEpsilon = 1e-6;

// [N,K*n,2] -> [N,K,2]: means.
at::Tensor PartCentres(const at::Tensor& points, int64_t parts);

// Soft centres of masks: sum_p p m_k(p) / (sum_p m_k(p) + 1e-6). masks
// [N,K,S,S] >= 0, axis [S] (GridAxis without a margin) -> [N,K,2]. An empty
// mask's is the middle.
at::Tensor MaskCentres(const at::Tensor& masks, const at::Tensor& axis);

// Mean over points and axes of |x - centre|, + kScaleEpsilon: [N,K*n,2] ->
// [N,K]. The cone's tau, and that of the area loss always. n >= 2.
at::Tensor MeanAbsoluteDeviation(const at::Tensor& points, int64_t parts);

// Unbiased variance of the n distances from the centre, + kScaleEpsilon: the
// Gaussian's tau (a squared length). n >= 2. The gradient of a distance is 0 at
// distance 0.
at::Tensor RadiusVariance(const at::Tensor& points, int64_t parts);

// [N,K]: one of the two, or `fixed` (> 0) everywhere.
at::Tensor PartScales(HeatmapType type, std::optional<double> fixed,
                      const at::Tensor& points, int64_t parts);

// centres [N,K,2], scales [N,K] (> 0), axis [S] (GridAxis) -> [N,K,S,S], in
// channels-last order. The Gaussian is a product of rows and columns: 2 K S
// exponentials an image. The cone's gradient is 0 at its tip and outside.
at::Tensor Heatmaps(HeatmapType type, const at::Tensor& centres,
                    const at::Tensor& scales, const at::Tensor& axis);

// Style map S(p) = sum_k H_k(p) w_k: maps [N,K,H,W], embeddings w [N,K,S] ->
// [N,S,H,W], in channels-last order. Maps may have more than K channels; the
// first K count (the background comes last).
at::Tensor StyleMap(const at::Tensor& maps, const at::Tensor& embeddings);

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_HEATMAPS_H_
