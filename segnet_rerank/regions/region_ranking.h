// From many candidate regions to a short, diverse list, best first.
#ifndef SEGNET_RERANK_REGIONS_REGION_RANKING_H_
#define SEGNET_RERANK_REGIONS_REGION_RANKING_H_

#include <functional>
#include <vector>

#include "segnet_rerank/regions/region_options.h"
#include "segnet_rerank/regions/superpixel_image.h"

namespace seg {
namespace segnet_rerank {

// What tells objects from other regions, without knowing the class.
struct RegionFeatures {
  double area = 0;         // share of the image
  double compactness = 0;  // 16 area / perimeter^2; 1 for a square
  // Share of the perimeter on the image's border.
  double border = 0;
  // Mean edge weight (superpixel_image.h) along the rest of the perimeter, and
  // between superpixels inside by the length of their boundaries; 0 where there
  // are none. Objects are low in `cut` and high in `inside`.
  double cut = 0;
  double inside = 0;
  // Distance in CIELAB of the mean colours of the region and of the superpixels
  // that touch it, over 100.
  double colour = 0;
  // Of the region's centre from that of the image; 1 in the corners.
  double distance = 0;
};

// `members`: not empty.
RegionFeatures DescribeRegion(const SuperpixelImage& image,
                              const SuperpixelSet& members);

// How much a region looks like an object: in [0, 1], higher is more.
using RegionScore = std::function<double(const RegionFeatures&)>;

// A fixed function, clamped to [0, 1] . Its weights are set by
// hand: a least squares fit to the overlap with objects gave poorer lists, as
// it knows nothing of diversity.
double ObjectScore(const RegionFeatures& features);

// Intersection over union, by the pixels of the superpixels; in [0, 1].
double Overlap(const SuperpixelImage& image, const SuperpixelSet& a,
               const SuperpixelSet& b);

struct RankedRegion {
  SuperpixelSet members;
  double score = 0;
};

// 1. Drops candidates of an area outside of [min_area, max_area] and of a cut
//    (RegionFeatures) above max_cut; of equal ones, all but one.
// 2. Scores the others. Going down the scores, drops those that overlap with
//    one kept by more than duplicate_overlap.
// 3. Takes up to max_regions by maximal marginal relevance: again and again the
//    region of greatest
//      score_weight * score - overlap_weight * greatest overlap with one taken.
// Its value there is the score of a RankedRegion, so these descend. Ties go to
// the higher score, then to the first set by lexical order: the order of the
// candidates plays no part. O(N log N + N^2 + N max_regions) overlaps at worst.
std::vector<RankedRegion> RankRegions(const SuperpixelImage& image,
                                      std::vector<SuperpixelSet> candidates,
                                      const RegionOptions& options,
                                      const RegionScore& score = ObjectScore);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_REGIONS_REGION_RANKING_H_
