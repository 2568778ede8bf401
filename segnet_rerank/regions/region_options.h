// How the region pool of an image is made (region_pool.h).
#ifndef SEGNET_RERANK_REGIONS_REGION_OPTIONS_H_
#define SEGNET_RERANK_REGIONS_REGION_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/config.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace segnet_rerank {

// kMinCuts: seeded parametric minimum cuts (region_cuts.h), as in CPMC.
// kMergeTree: the regions of a tree of merges (merge_tree.h), cheaper.
enum class RegionPool { kMinCuts, kMergeTree };
SEG_DECLARE_ENUM(RegionPool)

// Where the strength of boundaries between superpixels comes from: the contrast
// of colours, or for a half a contour network (contour_network.h).
enum class Boundaries { kGradient, kContours };
SEG_DECLARE_ENUM(Boundaries)

// Lengths are in units of sqrt(H W), areas in units of H W: the same options
// mean the same at every size of the image. "O2P code" is the region pool of
// the released code (Sec. 7.1 of our fact sheet). "Tried" values gave the best
// BestOverlap (region_mask.h), of a few, on 40 training photographs of VOC
// 2012, mostly animals.
struct RegionOptions {
  RegionPool pool = RegionPool::kMinCuts;

  // SlicOptions.
  int64_t superpixels = 400;
  double compactness = 10;

  Boundaries boundaries = Boundaries::kGradient;
  // Of the contour network: the file that `bazel build @hed_weights//:weights`
  // fetches, or another of its layout.
  std::string contour_weights;

  // Weight of an edge between superpixels a boundary strength d apart:
  // exp(-d / (2 edge_sigma^2)) + edge_offset. d is 1 at the mean of the image's
  // boundaries (superpixel_image.h).
  double edge_sigma = 0.6;     // tried: 0.35 .. 1
  double edge_offset = 0.007;  // O2P code

  // Seeded cuts.
  int64_t seeds = 5;  // a grid of seeds x seeds: O2P code
  // Of a seed's window, share of the image's sides. Tried: 0 .. 0.2.
  double seed_size = 0.1;
  int64_t lambdas = 20;        // of the sweep, log-spaced
  double lambda_min = 0.1;     // tried: 0.1 .. 2
  double lambda_range = 1000;  // greatest lambda / least
  // Weight of an image border as background, at the point farthest from the
  // seed; 1 is that of the weakest boundary. O2P code.
  double border_weight = 1;
  // Colour unaries: weight * exp(-falloff * distance), distance in CIELAB, L1,
  // to the nearest of so many centres. O2P code: 0.3 a pixel of about 250 x 190
  // is 65 here; 5 centres. Its falloff is 0.07 a grey level; a unit of L is
  // about 2.6 of them. Tried: 0.1 .. 0.3.
  double colour_weight = 65;
  double colour_falloff = 0.18;
  int64_t colour_centres = 5;

  // What is kept.
  // O2P code: 200 pixels of about 250 x 190, 0.004. Tried: 0.001 .. 0.004.
  double min_area = 0.002;
  double max_area = 0.9;
  double max_cut = 0.7;  // mean edge weight along the boundary
  // An IoU above it. O2P code: 0.98, and clusters at 0.95, one kept of each.
  double duplicate_overlap = 0.95;
  double score_weight = 0.75;  // O2P code, as the next two
  double overlap_weight = 0.25;
  int64_t max_regions = 150;

  static std::vector<KeyRule> Rules();
};

SEG_DECLARE_CONFIG(RegionOptions)

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_REGIONS_REGION_OPTIONS_H_
