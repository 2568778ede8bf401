// Regions as pixels, and how well they cover what is known to be there.
#ifndef SEGNET_RERANK_REGIONS_REGION_MASK_H_
#define SEGNET_RERANK_REGIONS_REGION_MASK_H_

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "segnet_rerank/regions/regions.h"

namespace seg {
namespace segnet_rerank {

// uint8 [R,H,W]: 1 inside the region. O(R H W).
at::Tensor RegionMasks(const Regions& regions);

// The pixels of each class in each superpixel.
//   labels: uint8 [H,W], class ids below `classes`, or `ignore`; another value
//     is an error that names it.
//   superpixels: int32 [H,W], 0 .. S-1
//   classes: C in [1, 256]
//   returns: int64 [S,C]; ignored pixels are not counted.
// All on the CPU, any strides. O(H W + S C).
at::Tensor SuperpixelHistogram(const at::Tensor& labels,
                               const at::Tensor& superpixels, int64_t classes,
                               int64_t ignore);

// The intersection over union of each region with the pixels of each class,
// ignored pixels left out.
//   labels, classes, ignore: as in SuperpixelHistogram
//   returns: float32 [R,C]; 0 where the class is not in the image.
// From the histogram: O(H W + R S C).
at::Tensor RegionOverlap(const Regions& regions, const at::Tensor& labels,
                         int64_t classes, int64_t ignore);

// How good a pool can be at best: the greatest RegionOverlap of a region with
// each class.
//   returns: float32 [C]; NaN for classes that are not in the image, 0 for all
//     others where R = 0.
at::Tensor BestOverlaps(const Regions& regions, const at::Tensor& labels,
                        int64_t classes, int64_t ignore);

// The mean of BestOverlaps over the classes in the image, class 0 (the
// background) left out; NaN where there is none.
double BestOverlap(const Regions& regions, const at::Tensor& labels,
                   int64_t classes, int64_t ignore);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_REGIONS_REGION_MASK_H_
