#include "ganseg/heatmaps.h"

#include <ATen/ATen.h>

#include <limits>

namespace seg {
namespace ganseg {
namespace {

// [N,K*n,2] -> [N,K,n,2].
at::Tensor ByPart(const char* name, const at::Tensor& points, int64_t parts) {
  TORCH_CHECK(parts >= 1, name, ": parts must be at least 1, got ", parts);
  TORCH_CHECK(points.dim() == 3 && points.size(2) == 2 && points.size(1) > 0 &&
                  points.size(1) % parts == 0,
              name, ": points must be [N,", parts, "*n,2], got ",
              points.sizes());
  return points.reshape({points.size(0), parts, points.size(1) / parts, 2});
}

// Points minus the centre of their part; n >= 2.
at::Tensor Deviations(const char* name, const at::Tensor& points,
                      int64_t parts) {
  const at::Tensor x = ByPart(name, points, parts);
  TORCH_CHECK(x.size(2) >= 2, name,
              ": a part needs at least 2 points for its scale, got ",
              x.size(2));
  return x - x.mean(2, /*keepdim=*/true);
}

// Square root whose gradient at 0 is finite, so that the gradient of a length
// is 0 there.
at::Tensor Root(const at::Tensor& square) {
  const double least = square.scalar_type() == at::kDouble
                           ? std::numeric_limits<double>::min()
                           : std::numeric_limits<float>::min();
  return (square + least).sqrt_();
}

}  // namespace

at::Tensor PartCentres(const at::Tensor& points, int64_t parts) {
  return ByPart("PartCentres", points, parts).mean(2);
}

at::Tensor MaskCentres(const at::Tensor& masks, const at::Tensor& axis) {
  TORCH_CHECK(masks.dim() == 4 && masks.size(2) == masks.size(3),
              "MaskCentres: masks must be [N,K,S,S], got ", masks.sizes());
  TORCH_CHECK(axis.sizes() == at::IntArrayRef({masks.size(2)}),
              "MaskCentres: axis must be [", masks.size(2), "], got ",
              axis.sizes());
  constexpr double kMassEpsilon = 1e-6;  // authors' code
  const at::Tensor rows = masks.sum(3), columns = masks.sum(2);
  const at::Tensor sums =
      at::stack({(rows * axis).sum(2), (columns * axis).sum(2)}, 2);
  return sums / (rows.sum(2, /*keepdim=*/true) + kMassEpsilon);
}

at::Tensor MeanAbsoluteDeviation(const at::Tensor& points, int64_t parts) {
  return Deviations("MeanAbsoluteDeviation", points, parts)
             .abs()
             .mean(at::IntArrayRef{2, 3}) +
         kScaleEpsilon;
}

at::Tensor RadiusVariance(const at::Tensor& points, int64_t parts) {
  const at::Tensor radii =
      Root(Deviations("RadiusVariance", points, parts).square().sum(3));
  return radii.var(at::OptionalIntArrayRef(2), /*unbiased=*/true) +
         kScaleEpsilon;
}

at::Tensor PartScales(HeatmapType type, std::optional<double> fixed,
                      const at::Tensor& points, int64_t parts) {
  if (fixed.has_value()) {
    TORCH_CHECK(*fixed > 0, "PartScales: a fixed scale must be positive, got ",
                *fixed);
    return at::full({points.size(0), parts}, *fixed, points.options());
  }
  return type == HeatmapType::kGaussian ? RadiusVariance(points, parts)
                                        : MeanAbsoluteDeviation(points, parts);
}

at::Tensor Heatmaps(HeatmapType type, const at::Tensor& centres,
                    const at::Tensor& scales, const at::Tensor& axis) {
  TORCH_CHECK(centres.dim() == 3 && centres.size(2) == 2,
              "Heatmaps: centres must be [N,K,2], got ", centres.sizes());
  TORCH_CHECK(scales.sizes() == centres.sizes().slice(0, 2),
              "Heatmaps: scales must be ", centres.sizes().slice(0, 2),
              ", as the centres, got ", scales.sizes());
  TORCH_CHECK(axis.dim() == 1, "Heatmaps: axis must be [S], got ",
              axis.sizes());
  // [N,S,1,K] and [N,1,S,K].
  const at::Tensor pixel = axis.view({1, -1, 1});
  at::Tensor rows =
      (pixel - centres.select(2, 0).unsqueeze(1)).square().unsqueeze(2);
  at::Tensor columns =
      (pixel - centres.select(2, 1).unsqueeze(1)).square().unsqueeze(1);
  const at::Tensor tau = scales.unsqueeze(1).unsqueeze(1);  // [N,1,1,K]
  const at::Tensor maps = type == HeatmapType::kGaussian
                              ? (-rows / tau).exp() * (-columns / tau).exp()
                              : (1 - Root(rows + columns) / tau).relu();
  return maps.permute({0, 3, 1, 2});
}

at::Tensor StyleMap(const at::Tensor& maps, const at::Tensor& embeddings) {
  TORCH_CHECK(maps.dim() == 4 && embeddings.dim() == 3 &&
                  maps.size(0) == embeddings.size(0) &&
                  maps.size(1) >= embeddings.size(1),
              "StyleMap: maps must be [N,K,H,W] and embeddings [N,K,S], got ",
              maps.sizes(), " and ", embeddings.sizes());
  const int64_t n = maps.size(0), height = maps.size(2), width = maps.size(3);
  const at::Tensor pixels =
      maps.narrow(1, 0, embeddings.size(1))
          .permute({0, 2, 3, 1})
          .reshape({n, height * width, embeddings.size(1)});
  return at::bmm(pixels, embeddings)
      .view({n, height, width, embeddings.size(2)})
      .permute({0, 3, 1, 2});
}

}  // namespace ganseg
}  // namespace seg
