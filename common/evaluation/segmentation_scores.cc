#include "common/evaluation/segmentation_scores.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/nearest.h"
#include "common/datasets/label_census.h"
#include "common/evaluation/percent.h"

namespace seg {
namespace {

TrimapOptions Bands(const std::vector<double>& radii, int64_t ignore_label) {
  TrimapOptions options;
  options.radii = radii;
  options.ignore_label = ignore_label;
  return options;
}

// Scores against masks in which void stands for a class look perfect. (A split
// of one class without void pixels is as it is.)
std::vector<std::string> JudgeMasks(const DatasetInfo& info, int64_t masks,
                                    int64_t void_pixels,
                                    const ConfusionMatrix& confusion) {
  if (void_pixels == 0) return {};
  LabelCensus census(info);
  census.masks = masks;
  census.void_pixels = void_pixels;
  for (int64_t t = 0; t < confusion.num_classes(); ++t) {
    for (int64_t p = 0; p < confusion.num_classes(); ++p) {
      census.class_pixels[t] += confusion.count(t, p);
    }
  }
  return JudgeLabels(census, info, "MASKS").errors;
}

}  // namespace

absl::StatusOr<std::vector<int64_t>> ChosenClasses(
    const std::vector<std::string>& names, const DatasetInfo& info) {
  const std::vector<std::string>& known = info.class_names;
  std::set<int64_t> chosen;
  for (const std::string& name : names) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "eval.mean_classes: ", info.name, " has no class '", name, "'",
          known.empty() ? ""
                        : absl::StrCat("; did you mean '",
                                       NearestKey(name, known), "'?")));
    }
    chosen.insert(found - known.begin());
  }
  return std::vector<int64_t>(chosen.begin(), chosen.end());
}

SegmentationScoresOptions ScoresAt(Moment moment, int64_t pictures) {
  SegmentationScoresOptions options;
  if (moment == Moment::kValidation) return options;
  options.boundary_radii = {2, 5};
  options.pictures = pictures;
  return options;
}

SegmentationScores::SegmentationScores(const DatasetInfo& info,
                                       std::vector<std::string> outputs,
                                       SegmentationScoresOptions options)
    : info_(info),
      outputs_(std::move(outputs)),
      options_(std::move(options)),
      total_(outputs_.size(),
             ConfusionMatrix(info.num_classes(), info.ignore_label)),
      images_(outputs_.size()),
      book_(info, outputs_, options_.pictures) {
  if (!options_.boundary_radii.empty()) {
    boundaries_.assign(outputs_.size(), TrimapIou(info.num_classes(),
                                                  Bands(options_.boundary_radii,
                                                        info.ignore_label)));
  }
}

absl::Status SegmentationScores::Add(const Scored& image) {
  const at::Tensor& mask = image.sample.mask;
  std::vector<double> iou;
  for (size_t k = 0; k < outputs_.size(); ++k) {
    const at::Tensor labels = image.prediction.labels[k][0];
    ConfusionMatrix own(info_.num_classes(), info_.ignore_label);
    own.Add(labels, mask);
    if (k == 0) void_pixels_ += mask.numel() - own.total();
    if (options_.pictures > 0) iou.push_back(own.MeanIou());
    total_[k].Merge(own);
    if (!boundaries_.empty()) boundaries_[k].Add(labels, mask);
    if (options_.by_image) images_[k].push_back(std::move(own));
  }
  ++masks_;
  if (options_.pictures == 0) return absl::OkStatus();
  if (outputs_.size() == 1) {
    book_.Offer(image, iou[0], absl::StrCat("mean IoU ", Percent(iou[0])));
  } else {
    const double gain = iou[0] - iou[1];
    book_.Offer(image, gain,
                absl::StrFormat("mean IoU %s, %+.2f against %s",
                                Percent(iou[0]), 100 * gain, outputs_[1]));
  }
  return absl::OkStatus();
}

absl::Status SegmentationScores::Finish(Findings* findings) {
  for (size_t k = 0; k < outputs_.size(); ++k) {
    const std::string prefix = k == 0 ? "" : outputs_[k] + "/";
    Metrics& scalars = findings->scalars;
    scalars[prefix + "mean_iou"] = total_[k].MeanIou();
    scalars[prefix + "pixel_accuracy"] = total_[k].PixelAccuracy();
    scalars[prefix + "class_accuracy"] = total_[k].MeanClassAccuracy();
    if (!options_.chosen.empty()) {
      scalars[prefix + "chosen_mean_iou"] = ChosenMeanIou(k);
    }
    for (size_t r = 0; r < options_.boundary_radii.size(); ++r) {
      scalars[absl::StrCat(prefix, "boundary_iou_",
                           options_.boundary_radii[r])] =
          boundaries_[k].confusion(r).MeanIou();
    }
    nlohmann::json& per_class =
        k == 0 ? findings->json["per_class"]
               : findings->json["per_class_by_output"][outputs_[k]];
    const std::vector<double> iou = total_[k].Iou();
    for (size_t c = 0; c < iou.size(); ++c) {
      per_class[info_.class_names[c]] = iou[c];
    }
  }
  for (const std::string& warning :
       JudgeMasks(info_, masks_, void_pixels_, total_[0])) {
    findings->warnings.push_back(warning);
  }
  findings->tables.push_back(Table());
  AddToReport(&findings->report);
  return absl::OkStatus();
}

double SegmentationScores::ChosenMeanIou(size_t output) const {
  const std::vector<double> iou = total_[output].Iou();
  std::vector<double> chosen;
  for (const int64_t c : options_.chosen) chosen.push_back(iou.at(c));
  return MeanWithoutNan(chosen);
}

std::string SegmentationScores::Table() const {
  std::string table =
      absl::StrFormat("%-12s%10s%12s", "", "mean IoU", "pixel acc.");
  if (!options_.chosen.empty()) {
    absl::StrAppendFormat(&table, "%12s",
                          absl::StrCat("mean of ", options_.chosen.size()));
  }
  for (const double radius : options_.boundary_radii) {
    absl::StrAppendFormat(&table, "%12s", absl::StrCat("IoU @", radius, "px"));
  }
  for (const std::string& name : info_.class_names) {
    absl::StrAppendFormat(&table, "%13s", name.substr(0, 12));
  }
  for (size_t k = 0; k < outputs_.size(); ++k) {
    absl::StrAppendFormat(&table, "\n%-12s%10s%12s", outputs_[k],
                          Percent(total_[k].MeanIou()),
                          Percent(total_[k].PixelAccuracy()));
    if (!options_.chosen.empty()) {
      absl::StrAppendFormat(&table, "%12s", Percent(ChosenMeanIou(k)));
    }
    for (size_t r = 0; r < options_.boundary_radii.size(); ++r) {
      absl::StrAppendFormat(&table, "%12s",
                            Percent(boundaries_[k].confusion(r).MeanIou()));
    }
    for (const double iou : total_[k].Iou()) {
      absl::StrAppendFormat(&table, "%13s", Percent(iou));
    }
  }
  return table;
}

void SegmentationScores::AddToReport(ReportData* report) const {
  for (size_t k = 0; k < outputs_.size(); ++k) {
    report->facts.push_back(
        {"mean IoU, " + outputs_[k], Percent(total_[k].MeanIou()) + " %"});
  }
  report->facts.push_back(
      {"pixel accuracy", Percent(total_[0].PixelAccuracy()) + " %"});
  report->class_names = info_.class_names;
  report->palette = info_.palette;
  report->class_iou = total_[0].Iou();
  for (int64_t t = 0; t < info_.num_classes(); ++t) {
    report->confusion.emplace_back();
    for (int64_t p = 0; p < info_.num_classes(); ++p) {
      report->confusion.back().push_back(total_[0].count(t, p));
    }
  }
  const bool paired = outputs_.size() > 1;
  book_.Finish(paired ? "Most improved" : "Best",
               paired ? "Most worsened" : "Worst", report);
}

}  // namespace seg
