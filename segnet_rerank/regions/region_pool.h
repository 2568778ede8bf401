// Candidate regions of an image: where objects may be, whatever their class
// (Sec. 7.1 of our fact sheet).
//
//   image -> superpixels and their graph        superpixel_image.h
//         -> candidates: minimum cuts around    region_cuts.h
//            seeds, or a tree of merges         merge_tree.h
//         -> filters, scores, a diverse list    region_ranking.h
#ifndef SEGNET_RERANK_REGIONS_REGION_POOL_H_
#define SEGNET_RERANK_REGIONS_REGION_POOL_H_

#include "ATen/core/Tensor.h"
#include "segnet_rerank/regions/region_options.h"
#include "segnet_rerank/regions/region_ranking.h"
#include "segnet_rerank/regions/regions.h"

namespace seg {
namespace segnet_rerank {

// At most max_regions connected regions, none of them the whole image (as long
// as max_area < 1), no two with an IoU above duplicate_overlap, score
// descending.
//   image: uint8 [3,H,W], sRGB, any strides, on the CPU; 1 <= H W < 2^31.
//   options: values outside of RegionOptions::Rules() are an error.
//   contours: of MakeSuperpixelImage, for Boundaries::kContours
//   score: may replace the one of options' pool; a pure function.
// There may be no region: an image of one superpixel or of one colour has none.
// A function of its arguments: neither threads nor earlier calls change it. Use
// one thread for an image and many images at once.
Regions ProposeRegions(const at::Tensor& image,
                       const RegionOptions& options = {},
                       const RegionScore& score = ObjectScore,
                       const at::Tensor& contours = {});

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_REGIONS_REGION_POOL_H_
