// Regions as foregrounds of parametric minimum cuts around seeds: the pool of
// CPMC (Carreira and Sminchisescu 2010; Sec. 7.1 of our fact sheet), on
// superpixels.
//
// Over x in {foreground, background}^n, with area shares A_s, boundary lengths
// L_st in units of sqrt(H W) and edge weights w_st,
//   E(x) = sum of A_s (foreground_s + lambda) over s in the background
//        + sum of background_s over s in the foreground
//        + sum of L_st w_st over neighbours on different sides,
// seeds fixed to the foreground. That is the energy of the same problem on
// pixels, divided by sqrt(H W), for labellings that are constant in each
// superpixel: unaries add up over its pixels, pairwise terms over the pixel
// pairs of a boundary, with the mean strength for that of each pair.
#ifndef SEGNET_RERANK_REGIONS_REGION_CUTS_H_
#define SEGNET_RERANK_REGIONS_REGION_CUTS_H_

#include <vector>

#include "absl/types/span.h"
#include "segnet_rerank/regions/region_options.h"
#include "segnet_rerank/regions/superpixel_image.h"

namespace seg {
namespace segnet_rerank {

struct SeededCut {
  SuperpixelSet seed;
  std::vector<double> foreground;  // [n], >= 0, for each unit of area
  std::vector<double> background;  // [n], >= 0
};

// The foreground of least energy for each lambda, ascending and >= 0, as
// [lambdas][n] of 0 and 1. Of several it is the smallest one, and each contains
// those of lower lambdas. Costs are rounded to integers of one scale, as fine
// as they can be (CapacityScale).
std::vector<std::vector<uint8_t>> SweepLambda(const SuperpixelImage& image,
                                              const SeededCut& cut,
                                              absl::Span<const double> lambdas);

// `count` >= 1 numbers from `least` > 0 to least * range, each a fixed factor
// above the one before.
std::vector<double> LogSpaced(double least, double range, int64_t count);

// The connected pieces of all foregrounds of the sweeps of all seeds, and of
// what they leave (around a seed on the background that is the objects; not in
// the released code), each set once, in lexical order. The seeds are the
// superpixels that lie by half or more in a window around a point of a seeds x
// seeds grid, and the one at the point. For each there are two problems, whose
// background_s is that of the image's border, the sum of L_s border_weight
// (distance / greatest distance) over its pixels there, distance being that of
// s from the seed:
//   (a) foreground_s = 0;
//   (b) foreground_s by the colours of the seed, and A_s times the same
//   function
//       of the colours at the border of the image is added to background_s.
std::vector<SuperpixelSet> CutRegions(const SuperpixelImage& image,
                                      const RegionOptions& options);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_REGIONS_REGION_CUTS_H_
