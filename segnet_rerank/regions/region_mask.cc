#include "segnet_rerank/regions/region_mask.h"

#include <ATen/ATen.h>

#include <limits>

#include "c10/util/Exception.h"

namespace seg {
namespace segnet_rerank {
namespace {

void CheckRegions(const char* caller, const Regions& regions) {
  TORCH_CHECK(regions.superpixels.dim() == 2 &&
                  regions.superpixels.scalar_type() == at::kInt,
              caller, ": superpixels must be int32 [H,W], got ",
              regions.superpixels.scalar_type(), " ",
              regions.superpixels.sizes());
  TORCH_CHECK(
      regions.members.dim() == 2 && regions.members.scalar_type() == at::kByte,
      caller, ": members must be uint8 [R,S], got ",
      regions.members.scalar_type(), " ", regions.members.sizes());
}

}  // namespace

at::Tensor RegionMasks(const Regions& regions) {
  CheckRegions("RegionMasks", regions);
  return regions.members
      .index_select(1, regions.superpixels.reshape({-1}).to(at::kLong))
      .view({regions.members.size(0), regions.superpixels.size(0),
             regions.superpixels.size(1)});
}

at::Tensor SuperpixelHistogram(const at::Tensor& labels,
                               const at::Tensor& superpixels, int64_t classes,
                               int64_t ignore) {
  TORCH_CHECK(superpixels.dim() == 2 && superpixels.scalar_type() == at::kInt &&
                  superpixels.is_cpu() && superpixels.numel() > 0,
              "SuperpixelHistogram: superpixels must be int32 [H,W] on the "
              "CPU, not empty, got ",
              superpixels.scalar_type(), " ", superpixels.sizes(), " on ",
              superpixels.device());
  TORCH_CHECK(labels.scalar_type() == at::kByte && labels.is_cpu() &&
                  labels.sizes() == superpixels.sizes(),
              "SuperpixelHistogram: labels must be uint8 ", superpixels.sizes(),
              " on the CPU, got ", labels.scalar_type(), " ", labels.sizes(),
              " on ", labels.device());
  TORCH_CHECK(classes >= 1 && classes <= 256,
              "SuperpixelHistogram: classes must be in [1, 256], got ",
              classes);
  const at::Tensor kept_labels = labels.contiguous();
  const at::Tensor kept_superpixels = superpixels.contiguous();
  const uint8_t* label = kept_labels.const_data_ptr<uint8_t>();
  const int32_t* superpixel = kept_superpixels.const_data_ptr<int32_t>();
  TORCH_CHECK(superpixels.min().item<int32_t>() >= 0,
              "SuperpixelHistogram: superpixels must be >= 0, got ",
              superpixels.min().item<int32_t>());
  const int64_t number = superpixels.max().item<int64_t>() + 1;
  at::Tensor histogram = at::zeros({number, classes}, at::kLong);
  int64_t* count = histogram.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < labels.numel(); ++i) {
    if (label[i] == ignore) continue;
    TORCH_CHECK(label[i] < classes,
                "SuperpixelHistogram: labels must be below ", classes, " or ",
                ignore, ", got ", int{label[i]});
    ++count[superpixel[i] * classes + label[i]];
  }
  return histogram;
}

at::Tensor RegionOverlap(const Regions& regions, const at::Tensor& labels,
                         int64_t classes, int64_t ignore) {
  CheckRegions("RegionOverlap", regions);
  const at::Tensor histogram =
      SuperpixelHistogram(labels, regions.superpixels, classes, ignore);
  TORCH_CHECK(regions.members.size(1) == histogram.size(0),
              "RegionOverlap: members must have a column for each of the ",
              histogram.size(0), " superpixels, got ", regions.members.sizes());
  // Whole numbers of pixels, exact in double.
  const at::Tensor inside =
      at::mm(regions.members.to(at::kDouble), histogram.to(at::kDouble));
  const at::Tensor both =
      inside.sum(1, /*keepdim=*/true) + histogram.sum(0, /*keepdim=*/true);
  return (inside / (both - inside).clamp_min(1.0)).to(at::kFloat);
}

at::Tensor BestOverlaps(const Regions& regions, const at::Tensor& labels,
                        int64_t classes, int64_t ignore) {
  const at::Tensor overlap = RegionOverlap(regions, labels, classes, ignore);
  const at::Tensor best =
      overlap.size(0) == 0 ? at::zeros({classes}, at::kFloat) : overlap.amax(0);
  const at::Tensor present =
      SuperpixelHistogram(labels, regions.superpixels, classes, ignore)
          .sum(0)
          .gt(0);
  return at::where(present, best, std::numeric_limits<float>::quiet_NaN());
}

double BestOverlap(const Regions& regions, const at::Tensor& labels,
                   int64_t classes, int64_t ignore) {
  return BestOverlaps(regions, labels, classes, ignore)
      .slice(0, 1)
      .to(at::kDouble)
      .nanmean()
      .item<double>();
}

}  // namespace segnet_rerank
}  // namespace seg
