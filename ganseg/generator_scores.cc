#include "ganseg/generator_scores.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/datasets/synthetic/articulated.h"
#include "ganseg/heatmaps.h"
#include "ganseg/losses.h"
#include "ganseg/model.h"
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

}  // namespace

GeneratorScores::GeneratorScores(const GeneratorScoresOptions& options)
    : options_(options) {}

absl::Status GeneratorScores::AddImage(const Scored& image) {
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

void GeneratorScores::AddPictures(const Generated& batch) {
  const int64_t n = batch.masks.size(0);
  const int64_t parts = batch.centres.size(1);
  const double weight = static_cast<double>(n);
  const at::Tensor labels = PartLabels(batch.masks);
  const at::Tensor ids = at::arange(
      1, parts + 1, at::TensorOptions(labels.device()).dtype(at::kLong));
  const at::Tensor shares =
      labels.flatten(1).unsqueeze(2).eq(ids).to(at::kDouble).mean(1);  // [n,K]
  const at::Tensor used = shares.ge(kPartShare).to(at::kDouble).sum(0).cpu();
  used_ = used_.defined() ? used_ + used : used;
  background_ += weight * labels.eq(0).to(at::kDouble).mean().item<double>();
  sharpness_ += weight * batch.masks.amax(1).mean().item<double>();
  concentration_ +=
      weight * Concentration(batch.masks, batch.centres).item<double>();
  scale_ += weight * batch.scales.mean().item<double>();
  const at::Tensor centres = MaskCentres(
      batch.masks.narrow(1, 0, parts),
      GridAxis(options_.grid, batch.masks.size(2), 0, batch.masks.options()));
  distance_ += weight * at::linalg_vector_norm(centres - batch.centres, 2, 2)
                            .mean()
                            .item<double>();
  if (options_.rule != Rule::kNone) {
    const at::Tensor truth =
        LabelsBy(options_.rule, ToColours(batch.images)).cpu();
    const at::Tensor found = labels.cpu();
    own_.Add(found, truth);
    if (n > 1) other_.Add(found, truth.roll(1, 0));  // else its own
    rule_share_ += weight * truth.ne(0).to(at::kDouble).mean().item<double>();
  }
  samples_ += n;
  if (shown_.images.defined()) return;
  const int64_t count = std::min(n, options_.pictures);
  shown_.images = batch.images.narrow(0, 0, count);
  shown_.masks = batch.masks.narrow(0, 0, count);
  shown_.points = batch.points.narrow(0, 0, count);
  shown_.centres = batch.centres.narrow(0, 0, count);
}

absl::Status GeneratorScores::Finish(Findings* findings) {
  TORCH_CHECK(samples_ > 0, "GeneratorScores: no pictures were drawn");
  const double n = static_cast<double>(samples_);
  Metrics& scalars = findings->scalars;
  const at::Tensor usage = used_ / n;
  scalars["part_usage"] = usage.mean().item<double>();
  scalars["background_share"] = background_ / n;
  scalars["sharpness"] = sharpness_ / n;
  scalars["concentration"] = concentration_ / n;
  scalars["centre_distance"] = distance_ / n;
  scalars["mean_scale"] = scale_ / n;
  std::string table = absl::StrFormat(
      "%d generated pictures: part usage %.2f, background %.2f, sharpness "
      "%.2f, concentration %.3f, centre distance %.3f",
      samples_, scalars["part_usage"], scalars["background_share"],
      scalars["sharpness"], scalars["concentration"],
      scalars["centre_distance"]);
  if (options_.rule != Rule::kNone) {
    const double own = own_.mean(), other = other_.mean();
    const double share = rule_share_ / n;
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
         absl::StrCat(shown_.images.size(0), " pictures"),
         "",
         {{"pictures", ImageGrid(shown_, grid)},
          {"parts and points", PartGrid(shown_, grid)}}});
  }
  return absl::OkStatus();
}

}  // namespace ganseg
}  // namespace seg
