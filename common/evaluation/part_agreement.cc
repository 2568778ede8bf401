#include "common/evaluation/part_agreement.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/evaluation/percent.h"

namespace seg {
namespace {

constexpr int64_t kPartLabels = 256;  // uint8
constexpr int64_t kShares = 1000;     // discs of 0.001, 0.002 .. of the image

// For each pixel of [H,W] the smallest disc around the middle that has it:
// int64 in 0 .. kShares-1, and kShares where it is larger than the image.
at::Tensor SmallestDisc(int64_t height, int64_t width) {
  const auto offset = [](int64_t size) {
    return at::arange(size, at::kDouble) -
           (static_cast<double>(size) - 1.0) / 2.0;
  };
  const at::Tensor y = offset(height).unsqueeze(1);
  const at::Tensor x = offset(width);
  constexpr double kPi = 3.14159265358979323846;
  const double pixels = static_cast<double>(height * width);
  return ((x * x + y * y) * (kPi * kShares / pixels))
      .clamp_max(kShares)
      .to(at::kLong);
}

// [kShares] counts of true pixels within each disc.
at::Tensor Within(const at::Tensor& pixels, const at::Tensor& discs) {
  return at::bincount(discs.masked_select(pixels), {}, kShares + 1)
      .slice(0, 0, kShares)
      .cumsum(0)
      .to(at::kDouble);
}

}  // namespace

PartAgreement::PartAgreement(const DatasetInfo& info,
                             std::vector<std::string> outputs,
                             PartAgreementOptions options)
    : info_(info),
      outputs_(std::move(outputs)),
      options_(options),
      disc_iou_(kShares, 0.0) {
  TORCH_CHECK(options.disc_share >= 0.0 && options.disc_share <= 1.0,
              "PartAgreement: disc_share must be in 0 .. 1, got ",
              options.disc_share);
  const Scores none = {ForegroundIou(info.ignore_label),
                       ClusterAgreement(kPartLabels, info.num_classes()),
                       ClusterAgreement(kPartLabels, info.num_classes())};
  scores_.assign(outputs_.size(), none);
}

absl::Status PartAgreement::Add(const Scored& image) {
  const at::Tensor& mask = image.sample.mask;
  const at::Tensor known = mask.ne(info_.ignore_label);
  const at::Tensor foreground = known & mask.ne(0);
  for (size_t k = 0; k < outputs_.size(); ++k) {
    const at::Tensor labels = image.prediction.labels[k][0];
    scores_[k].iou.Add(labels, mask);
    scores_[k].all.Add(labels, mask, known);
    scores_[k].foreground.Add(labels, mask, foreground);
  }
  AddDiscs(mask);
  return absl::OkStatus();
}

void PartAgreement::AddDiscs(const at::Tensor& mask) {
  const at::Tensor known = mask.ne(info_.ignore_label);
  const at::Tensor foreground = known & mask.ne(0);
  const double pixels = known.sum().item<double>();
  if (pixels == 0.0) return;
  const double inside = foreground.sum().item<double>();
  const at::Tensor discs = SmallestDisc(mask.size(0), mask.size(1));
  const at::Tensor both = Within(foreground, discs);
  const at::Tensor either = Within(known, discs) + inside - both;
  constexpr double kEpsilon = 1e-6;  // that of ForegroundIou
  const at::Tensor iou = (both / (either + kEpsilon)).contiguous();
  const double* values = iou.const_data_ptr<double>();
  for (int64_t s = 0; s < kShares; ++s) disc_iou_[s] += values[s];
  share_ += inside / pixels;
  ++images_;
}

absl::Status PartAgreement::Finish(Findings* findings) {
  Metrics& scalars = findings->scalars;
  std::string table =
      absl::StrFormat("%-14s%12s%8s%8s%10s%10s", "parts", "foreground", "NMI",
                      "ARI", "NMI (fg)", "ARI (fg)");
  for (size_t k = 0; k < outputs_.size(); ++k) {
    const std::string prefix = k == 0 ? "" : outputs_[k] + "/";
    const Scores& scores = scores_[k];
    const double iou = scores.iou.mean();
    const double nmi = scores.all.NormalizedMutualInformation();
    const double ari = scores.all.AdjustedRandIndex();
    const double fg_nmi = scores.foreground.NormalizedMutualInformation();
    const double fg_ari = scores.foreground.AdjustedRandIndex();
    scalars[prefix + "foreground_iou"] = iou;
    scalars[prefix + "part_nmi"] = nmi;
    scalars[prefix + "part_ari"] = ari;
    scalars[prefix + "foreground_nmi"] = fg_nmi;
    scalars[prefix + "foreground_ari"] = fg_ari;
    absl::StrAppendFormat(&table, "\n%-14s%12s%8s%8s%10s%10s", outputs_[k],
                          Percent(iou), Percent(nmi), Percent(ari),
                          Percent(fg_nmi), Percent(fg_ari));
    if (k > 0) continue;
    findings->report.facts.push_back({"foreground IoU", Percent(iou) + " %"});
    findings->report.facts.push_back({"NMI of parts", Percent(nmi) + " %"});
  }
  const bool given = options_.disc_share > 0.0;
  const double share =
      given ? options_.disc_share : share_ / static_cast<double>(images_);
  double iou = std::numeric_limits<double>::quiet_NaN();
  if (images_ > 0) {
    // The disc of share (s + 1) / kShares has the pixels whose smallest disc
    // is s or less.
    const int64_t disc = std::clamp<int64_t>(
        std::lround(share * static_cast<double>(kShares)) - 1, 0, kShares - 1);
    iou = disc_iou_[disc] / static_cast<double>(images_);
  }
  scalars["disc_foreground_iou"] = iou;
  scalars["foreground_gain"] = scalars["foreground_iou"] - iou;
  findings->json["disc_share"] = share;
  absl::StrAppendFormat(
      &table, "\n%-14s%12s  (%s %% of the image, %s)", "centred disc",
      Percent(iou), absl::StrFormat("%.1f", 100 * share),
      given ? "as given" : "the mean share of the foreground in these data");
  findings->report.facts.push_back(
      {"foreground IoU of a centred disc", Percent(iou) + " %"});
  findings->tables.push_back(std::move(table));
  return absl::OkStatus();
}

}  // namespace seg
