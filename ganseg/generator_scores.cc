#include "ganseg/generator_scores.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/datasets/synthetic/articulated.h"
#include "common/metrics/foreground_iou.h"
#include "common/metrics/landmark_regression.h"
#include "ganseg/draw.h"
#include "ganseg/losses.h"
#include "ganseg/pictures.h"

namespace seg {
namespace ganseg {
namespace {

// A part is there from this share of the picture on.
constexpr double kPartShare = 0.002;

at::Tensor LabelsBy(Rule rule, const at::Tensor& colours) {
  switch (rule) {
    case Rule::kArticulated:
      return ArticulatedRule(colours);
    case Rule::kNone:
      break;
  }
  return at::Tensor();
}

struct Sums {
  int64_t samples = 0;
  at::Tensor parts;  // [K], pictures that have the part
  double background = 0, sharpness = 0, concentration = 0, distance = 0;
  double scale = 0, rule_share = 0;
  ForegroundIou own, other;
};

void AddBatch(const Generated& generated, Rule rule, Sums* sums) {
  const int64_t n = generated.masks.size(0);
  const int64_t parts = generated.centres.size(1);
  const double weight = static_cast<double>(n);
  const at::Tensor labels = PartLabels(generated.masks);
  const at::Tensor ids = at::arange(
      1, parts + 1, at::TensorOptions(labels.device()).dtype(at::kLong));
  const at::Tensor shares =
      labels.flatten(1).unsqueeze(2).eq(ids).to(at::kDouble).mean(1);  // [n,K]
  const at::Tensor used = shares.ge(kPartShare).to(at::kDouble).sum(0).cpu();
  sums->parts = sums->parts.defined() ? sums->parts + used : used;
  sums->background +=
      weight * labels.eq(0).to(at::kDouble).mean().item<double>();
  sums->sharpness += weight * generated.masks.amax(1).mean().item<double>();
  sums->concentration +=
      weight * Concentration(generated.masks, generated.centres).item<double>();
  sums->scale += weight * generated.scales.mean().item<double>();
  // PartCentres' grid runs from 0 to size.
  const double size = static_cast<double>(generated.masks.size(2));
  const at::Tensor centres =
      seg::PartCentres(generated.masks.narrow(1, 0, parts)) * (2 / size) - 1;
  sums->distance += weight * (centres - generated.centres.to(centres.dtype()))
                                 .square()
                                 .sum(2)
                                 .sqrt()
                                 .mean()
                                 .item<double>();
  if (rule != Rule::kNone) {
    const at::Tensor truth = LabelsBy(rule, ToColours(generated.images)).cpu();
    const at::Tensor found = labels.cpu();
    sums->own.Add(found, truth);
    if (n > 1) sums->other.Add(found, truth.roll(1, 0));  // else its own
    sums->rule_share +=
        weight * truth.ne(0).to(at::kDouble).mean().item<double>();
  }
  sums->samples += n;
}

}  // namespace

GeneratorScores::GeneratorScores(Model model,
                                 const GeneratorScoresOptions& options)
    : model_(std::move(model)), options_(options) {}

absl::Status GeneratorScores::Add(const Scored& image) {
  const at::Tensor& mask = image.sample.mask;
  if (!mask.defined()) return absl::OkStatus();
  const at::Tensor valid = mask.ne(255);
  const double pixels = valid.sum().item<double>();
  if (pixels == 0) return absl::OkStatus();
  true_share_ +=
      at::logical_and(valid, mask.ne(0)).sum().item<double>() / pixels;
  ++masks_;
  return absl::OkStatus();
}

absl::Status GeneratorScores::Finish(Findings* findings) {
  Sums sums;
  Generated shown;
  DrawSamples(model_, options_.samples, options_.seed,
              [&](const Generated& generated) {
                AddBatch(generated, options_.rule, &sums);
                if (shown.images.defined()) return;
                const int64_t count =
                    std::min(generated.images.size(0), options_.pictures);
                shown.images = generated.images.narrow(0, 0, count);
                shown.masks = generated.masks.narrow(0, 0, count);
                shown.points = generated.points.narrow(0, 0, count);
                shown.centres = generated.centres.narrow(0, 0, count);
              });
  const double n = static_cast<double>(sums.samples);
  Metrics& scalars = findings->scalars;
  const at::Tensor usage = sums.parts / n;
  scalars["part_usage"] = usage.mean().item<double>();
  scalars["background_share"] = sums.background / n;
  scalars["sharpness"] = sums.sharpness / n;
  scalars["concentration"] = sums.concentration / n;
  scalars["centre_distance"] = sums.distance / n;
  scalars["mean_scale"] = sums.scale / n;
  std::string table = absl::StrFormat(
      "%d generated pictures: part usage %.2f, background %.2f, sharpness "
      "%.2f, concentration %.3f, centre distance %.3f",
      sums.samples, scalars["part_usage"], scalars["background_share"],
      scalars["sharpness"], scalars["concentration"],
      scalars["centre_distance"]);
  if (options_.rule != Rule::kNone) {
    const double own = sums.own.mean(), other = sums.other.mean();
    const double share = sums.rule_share / n;
    bool learned = scalars["background_share"] >= 0.3 &&
                   scalars["background_share"] <= 0.97 && own - other > 0.15;
    if (masks_ > 0) {
      const double truth = true_share_ / static_cast<double>(masks_);
      learned = learned && share >= 0.4 * truth && share <= 2.5 * truth;
    }
    scalars["generated_iou"] = own;
    scalars["generated_iou_other"] = other;
    scalars["rule_share"] = share;
    scalars["generated_iou_gated"] = learned ? own : 0;
    const auto real = scalars.find("foreground_iou");
    if (real != scalars.end()) scalars["domain_gap"] = own - real->second;
    absl::StrAppendFormat(
        &table,
        "\nforeground IoU of generated masks %.3f (another picture's %.3f, "
        "foreground by the rule %.3f): %s",
        own, other, share,
        learned ? "counts" : "does not count, nothing learned");
    findings->report.facts.push_back(
        {"IoU of generated masks", absl::StrFormat("%.1f %%", 100 * own)});
  }
  findings->tables.push_back(std::move(table));
  nlohmann::json by_part = nlohmann::json::array();
  for (int64_t k = 0; k < usage.size(0); ++k) {
    by_part.push_back(usage[k].item<double>());
  }
  findings->json["part_usage_by_part"] = std::move(by_part);
  findings->report.facts.push_back(
      {"part usage", absl::StrFormat("%.2f", scalars["part_usage"])});
  if (options_.pictures > 0) {
    const GridOptions grid;
    findings->report.pictures.push_back(
        {"Generated",
         absl::StrCat(shown.images.size(0), " pictures"),
         "",
         {{"pictures", ImageGrid(shown, grid)},
          {"parts and points", PartGrid(shown, grid)}}});
  }
  return absl::OkStatus();
}

}  // namespace ganseg
}  // namespace seg
