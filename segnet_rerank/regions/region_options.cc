#include "segnet_rerank/regions/region_options.h"

#include <vector>

namespace seg {
namespace segnet_rerank {

SEG_DEFINE_ENUM(RegionPool, {RegionPool::kMinCuts, "min_cuts"},
                {RegionPool::kMergeTree, "merge_tree"})
SEG_DEFINE_ENUM(Boundaries, {Boundaries::kGradient, "gradient"},
                {Boundaries::kContours, "contours"})
SEG_DEFINE_CONFIG(RegionOptions, pool, superpixels, compactness, boundaries,
                  contour_weights, edge_sigma, edge_offset, seeds, seed_size,
                  lambdas, lambda_min, lambda_range, border_weight,
                  colour_weight, colour_falloff, colour_centres, min_area,
                  max_area, max_cut, duplicate_overlap, score_weight,
                  overlap_weight, max_regions)

std::vector<KeyRule> RegionOptions::Rules() {
  return {OneOf<RegionPool>("pool"),   OneOf<Boundaries>("boundaries"),
          {"superpixels", 1, 1e6},     {"compactness", 1e-3, 1e6},
          {"edge_sigma", 1e-3, 1e6},   {"edge_offset", 0, 1e3},
          {"seeds", 1, 100},           {"seed_size", 0, 1},
          {"lambdas", 1, 1000},        {"lambda_min", 1e-6, 1e6},
          {"lambda_range", 1, 1e6},    {"border_weight", 0, 1e6},
          {"colour_weight", 0, 1e6},   {"colour_falloff", 0, 1e6},
          {"colour_centres", 1, 1000}, {"min_area", 0, 1},
          {"max_area", 0, 1},          {"max_cut", 0, 1e3},
          {"duplicate_overlap", 0, 1}, {"score_weight", 0, 1e3},
          {"overlap_weight", 0, 1e3},  {"max_regions", 1, 1e6}};
}

}  // namespace segnet_rerank
}  // namespace seg
