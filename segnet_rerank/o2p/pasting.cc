#include "segnet_rerank/o2p/pasting.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace seg {
namespace segnet_rerank {

SEG_DEFINE_CONFIG(PastingConfig, threshold, most_regions, simplicity_bias)

std::vector<KeyRule> PastingConfig::Rules() {
  return {{"threshold", -1e6, 1e6},
          {"most_regions", 1, 1e6},
          {"simplicity_bias", 0, 1e6}};
}

namespace {

int64_t CountPainted(const std::vector<at::Tensor>& scores,
                     const PastingConfig& config) {
  int64_t count = 0;
  for (const at::Tensor& image : scores) {
    count += static_cast<int64_t>(ChooseRegions(image, config).size());
  }
  return count;
}

}  // namespace

std::vector<PaintedRegion> ChooseRegions(const at::Tensor& scores,
                                         const PastingConfig& config) {
  TORCH_CHECK(scores.dim() == 2 && scores.is_cpu() &&
                  (scores.scalar_type() == at::kFloat ||
                   scores.scalar_type() == at::kDouble),
              "ChooseRegions: scores must be float32 or float64 [R,C-1] on the "
              "CPU, got ",
              scores.scalar_type(), " ", scores.sizes(), " on ",
              scores.device());
  TORCH_CHECK(
      config.most_regions >= 1 && config.simplicity_bias >= 0.0 &&
          std::isfinite(config.threshold),
      "ChooseRegions: most_regions must be >= 1, simplicity_bias >= 0 and "
      "threshold finite, got ",
      config.most_regions, ", ", config.simplicity_bias, " and ",
      config.threshold);
  const at::Tensor kept = scores.to(at::kDouble).contiguous();
  const double* score = kept.const_data_ptr<double>();
  const int64_t regions = kept.size(0), labels = kept.size(1);
  std::vector<PaintedRegion> painted;
  for (int64_t r = 0; r < regions; ++r, score += labels) {
    for (int64_t l = 0; l < labels; ++l) {
      TORCH_CHECK(std::isfinite(score[l]),
                  "ChooseRegions: scores must be finite, got ", score[l],
                  " for region ", r, " and label ", l + 1);
    }
    const double* const best = std::max_element(score, score + labels);
    if (labels > 0 && *best > config.threshold) {
      painted.push_back({r, best - score + 1, *best});
    }
  }
  std::stable_sort(painted.begin(), painted.end(),
                   [](const PaintedRegion& a, const PaintedRegion& b) {
                     return a.score > b.score;
                   });
  size_t count = 0;
  while (count < painted.size() &&
         static_cast<int64_t>(count) < config.most_regions &&
         painted[count].score >
             config.threshold +
                 config.simplicity_bias * static_cast<double>(count)) {
    ++count;
  }
  painted.resize(count);
  return painted;
}

at::Tensor PaintRegions(const std::vector<PaintedRegion>& painted,
                        const Regions& regions) {
  const at::Tensor& superpixels = regions.superpixels;
  TORCH_CHECK(superpixels.dim() == 2 && superpixels.scalar_type() == at::kInt &&
                  superpixels.is_cpu(),
              "PaintRegions: superpixels must be int32 [H,W] on the CPU, got ",
              superpixels.scalar_type(), " ", superpixels.sizes(), " on ",
              superpixels.device());
  TORCH_CHECK(regions.members.dim() == 2 &&
                  regions.members.scalar_type() == at::kByte &&
                  regions.members.is_cpu(),
              "PaintRegions: members must be uint8 [R,S] on the CPU, got ",
              regions.members.scalar_type(), " ", regions.members.sizes(),
              " on ", regions.members.device());
  const at::Tensor members = regions.members.contiguous();
  const int64_t number = members.size(0), count = members.size(1);
  std::vector<uint8_t> label_of(count, 0);
  for (auto region = painted.rbegin(); region != painted.rend(); ++region) {
    TORCH_CHECK(region->region >= 0 && region->region < number &&
                    region->label >= 1 && region->label <= 255,
                "PaintRegions: expected a region below ", number,
                " and a label 1 to 255, got ", region->region, " and ",
                region->label);
    const uint8_t* const member =
        members.const_data_ptr<uint8_t>() + region->region * count;
    for (int64_t s = 0; s < count; ++s) {
      if (member[s]) label_of[s] = static_cast<uint8_t>(region->label);
    }
  }
  at::Tensor result = at::empty(superpixels.sizes(), at::kByte);
  const at::Tensor kept = superpixels.contiguous();
  const int32_t* superpixel = kept.const_data_ptr<int32_t>();
  uint8_t* out = result.mutable_data_ptr<uint8_t>();
  for (int64_t i = 0; i < kept.numel(); ++i) {
    TORCH_CHECK(superpixel[i] >= 0 && superpixel[i] < count,
                "PaintRegions: superpixels must be 0 to ", count - 1, ", got ",
                superpixel[i]);
    out[i] = label_of[superpixel[i]];
  }
  return result;
}

double ChooseThreshold(const std::vector<at::Tensor>& scores,
                       const PastingConfig& config, double target, double start,
                       double step) {
  TORCH_CHECK(target >= 0.0 && std::isfinite(start) && step > 0.0 &&
                  std::isfinite(step),
              "ChooseThreshold: target must be >= 0, start finite and step "
              "finite and > 0, got ",
              target, ", ", start, " and ", step);
  const double most = target * static_cast<double>(scores.size());
  double highest = start;
  for (const at::Tensor& image : scores) {
    if (image.numel() > 0)
      highest = std::max(highest, image.max().item<double>());
  }
  const auto threshold = [&](int64_t steps) {
    return start + step * static_cast<double>(steps);
  };
  const auto few_enough = [&](int64_t steps) {
    PastingConfig with = config;
    with.threshold = threshold(steps);
    return static_cast<double>(CountPainted(scores, with)) <= most;
  };
  // The number of painted regions does not rise with the threshold, and at the
  // highest score it is 0: halve the range that holds the first that will do.
  int64_t low = 0;
  int64_t high = static_cast<int64_t>(
                     std::min(std::ceil((highest - start) / step), 1e15)) +
                 1;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (few_enough(middle)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return threshold(low);
}

at::Tensor BestScores(const at::Tensor& scores, int64_t most_regions) {
  if (scores.numel() == 0) return at::empty({0, 1}, scores.options());
  const at::Tensor best = std::get<0>(scores.amax(1).sort(0, true));
  return best.narrow(0, 0, std::min(best.size(0), most_regions)).unsqueeze(1);
}

}  // namespace segnet_rerank
}  // namespace seg
