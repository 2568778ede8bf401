#include "segnet_rerank/regions/region_pool.h"

#include <ATen/ATen.h>

#include <vector>

#include "c10/util/Exception.h"
#include "common/config/config.h"
#include "nlohmann/json.hpp"
#include "segnet_rerank/regions/merge_tree.h"
#include "segnet_rerank/regions/region_cuts.h"
#include "segnet_rerank/regions/superpixel_image.h"

namespace seg {
namespace segnet_rerank {
namespace {

void CheckOptions(const RegionOptions& options) {
  const nlohmann::json tree(options);
  for (const KeyRule& rule : RegionOptions::Rules()) {
    const nlohmann::json& value = tree.at(rule.key);
    if (!value.is_number()) continue;
    const double number = value.get<double>();
    TORCH_CHECK(number >= rule.min && number <= rule.max,
                "ProposeRegions: ", rule.key, " must be in [", rule.min, ", ",
                rule.max, "], got ", number);
  }
}

}  // namespace

Regions ProposeRegions(const at::Tensor& image, const RegionOptions& options,
                       const RegionScore& score, const at::Tensor& contours) {
  CheckOptions(options);
  TORCH_CHECK(image.dim() == 3 && image.size(0) == 3 &&
                  image.scalar_type() == at::kByte && image.is_cpu(),
              "ProposeRegions: image must be uint8 [3,H,W] on the CPU, got ",
              image.scalar_type(), " ", image.sizes(), " on ", image.device());
  const bool by_network = options.boundaries == Boundaries::kContours;
  TORCH_CHECK(contours.defined() == by_network,
              "ProposeRegions: contours must be ",
              by_network ? "given" : "undefined", " for boundaries=",
              nlohmann::json(options.boundaries).get<std::string>());
  const SuperpixelImage superpixels =
      MakeSuperpixelImage(image, options, contours);
  const std::vector<RankedRegion> ranked = RankRegions(
      superpixels,
      options.pool == RegionPool::kMinCuts ? CutRegions(superpixels, options)
                                           : MergeTreeRegions(superpixels),
      options, score);

  const int64_t count = static_cast<int64_t>(ranked.size());
  Regions regions;
  regions.superpixels = superpixels.labels;
  regions.members = at::zeros({count, superpixels.size()}, at::kByte);
  regions.score = at::empty({count}, at::kFloat);
  uint8_t* row = regions.members.mutable_data_ptr<uint8_t>();
  float* value = regions.score.mutable_data_ptr<float>();
  for (const RankedRegion& region : ranked) {
    for (const int32_t s : region.members) row[s] = 1;
    row += superpixels.size();
    *value++ = static_cast<float>(region.score);
  }
  return regions;
}

}  // namespace segnet_rerank
}  // namespace seg
