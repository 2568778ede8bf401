#include "segnet_rerank/measures.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "common/datasets/resize_options.h"
#include "common/datasets/transforms.h"
#include "common/datasets/views.h"
#include "common/evaluation/percent.h"
#include "common/evaluation/picture_book.h"
#include "segnet_rerank/proposal_accuracy.h"

namespace seg {
namespace segnet_rerank {
namespace {

constexpr std::array<int64_t, 5> kOracles = {1, 5, 10, 20, 30};  // [seed]

// Of a panel, and how many proposals a picture shows.
constexpr int64_t kPanelSide = 256;
constexpr int64_t kShownProposals = 5;

// The mean over images; NaN without any.
double Mean(double sum, int64_t images) {
  return sum / static_cast<double>(images);
}

ImageSize PanelSize(const at::Tensor& image) {
  const ImageSize size = {image.size(1), image.size(2)};
  if (std::max(size.height, size.width) <= kPanelSide) return size;
  ResizeOptions options;
  options.resize_longer = kPanelSide;
  return ResizedSize(options, size);
}

}  // namespace

ProposalScores::ProposalScores(const DatasetInfo& info,
                               const ProposalSource* source,
                               std::vector<std::string> methods,
                               const ProposalScoresOptions& options)
    : info_(info), source_(*source), options_(options) {
  TORCH_CHECK(!methods.empty(), "ProposalScores: no method");
  for (std::string& name : methods) {
    Method method;
    method.name = std::move(name);
    method.counts = at::zeros({info_.num_classes(), 3}, at::kLong);
    methods_.push_back(std::move(method));
  }
}

absl::Status ProposalScores::Check(const Scored& image) const {
  const auto error = [&](const std::string& what) {
    return absl::InternalError(absl::StrCat(image.sample.id, ": ", what));
  };
  const Proposals& proposals = source_.proposals(image.row);
  const at::Tensor& labels = proposals.labels;
  if (!labels.defined() || labels.dim() != 3 || labels.size(0) == 0 ||
      labels.sizes().slice(1) != image.sample.mask.sizes()) {
    return error("has no proposals of its size");
  }
  if (!proposals.score.defined() || proposals.score.dim() != 1 ||
      proposals.score.size(0) != labels.size(0)) {
    return error("each proposal must have a score");
  }
  const std::vector<int64_t>& picks = source_.picks(image.row);
  if (picks.size() != methods_.size()) {
    return error(absl::StrCat("expected ", methods_.size(), " picks, got ",
                              picks.size()));
  }
  for (const int64_t pick : picks) {
    if (pick >= 0 && pick < labels.size(0)) continue;
    return error(absl::StrCat("pick ", pick, " is none of ", labels.size(0),
                              " proposals"));
  }
  return absl::OkStatus();
}

absl::Status ProposalScores::Add(const Scored& image) {
  SEG_RETURN_IF_ERROR(Check(image));
  const at::Tensor& labels = source_.proposals(image.row).labels;
  const at::Tensor& truth = image.sample.mask;
  const at::Tensor counts =
      CountByClass(labels, truth, info_.num_classes(), info_.ignore_label);
  const at::Tensor accuracies = ProposalAccuracies(counts);
  if (static_cast<int64_t>(pictures_.size()) < options_.pictures) {
    AddPicture(image, accuracies);
  }
  const double known = truth.ne(info_.ignore_label).sum().item<double>();
  if (known == 0) return absl::OkStatus();

  const int64_t m = labels.size(0);
  // The first k of an image with fewer are all that it has.
  const at::Tensor none = at::zeros_like(methods_[0].counts);
  while (static_cast<int64_t>(oracle_.size()) < m) {
    oracle_.push_back(oracle_.empty() ? none : oracle_.back());
  }
  for (size_t k = 0; k < oracle_.size(); ++k) {
    const int64_t best = OraclePick(accuracies, static_cast<int64_t>(k) + 1);
    oracle_[k] = oracle_[k] + counts[best];
  }
  oracle_accuracy_ += accuracies.max().item<double>();
  const auto background = [&](const at::Tensor& own, int64_t errors) {
    return (own[0][0] + own[0][errors]).item<double>() / known;
  };
  true_background_ += background(counts[0], 2);
  const std::vector<int64_t>& picks = source_.picks(image.row);
  for (size_t k = 0; k < methods_.size(); ++k) {
    Method& method = methods_[k];
    const at::Tensor accuracy = accuracies[picks[k]];
    method.counts = method.counts + counts[picks[k]];
    method.accuracy += accuracy.item<double>();
    method.position += static_cast<double>(picks[k] + 1);
    method.rank += accuracies.gt(accuracy).sum().item<double>() + 1;
    method.background += background(counts[picks[k]], 1);
  }
  ++images_;
  proposals_ += m;
  return absl::OkStatus();
}

double ProposalScores::MeanIou(const at::Tensor& counts, bool chosen) const {
  const at::Tensor used =
      chosen ? counts.index_select(0, at::tensor(options_.chosen, at::kLong))
             : counts;
  return MeanIouOfCounts(used).item<double>();
}

double ProposalScores::OracleIou(int64_t k, bool chosen) const {
  if (oracle_.empty()) return std::numeric_limits<double>::quiet_NaN();
  const int64_t last = static_cast<int64_t>(oracle_.size());
  return MeanIou(oracle_[std::min(k, last) - 1], chosen);
}

void ProposalScores::AddOracles(bool chosen, Metrics* scalars) const {
  const std::string prefix = chosen ? "oracle_chosen_" : "oracle_";
  const int64_t most = static_cast<int64_t>(oracle_.size());
  for (const int64_t k : kOracles) {
    if (k > most) break;
    const double iou = OracleIou(k, chosen);
    (*scalars)[absl::StrCat(prefix, "iou_", k)] = iou;
    if (k > 1) {
      (*scalars)[absl::StrCat(prefix, "gain_", k)] =
          iou / OracleIou(1, chosen) - 1;
    }
  }
  (*scalars)[prefix + "iou"] = OracleIou(most, chosen);
}

absl::Status ProposalScores::Finish(Findings* findings) {
  Metrics& scalars = findings->scalars;
  const int64_t most = static_cast<int64_t>(oracle_.size());
  AddOracles(/*chosen=*/false, &scalars);
  if (!options_.chosen.empty()) AddOracles(/*chosen=*/true, &scalars);
  const double oracle = OracleIou(most);
  scalars["oracle_accuracy"] = Mean(oracle_accuracy_, images_);
  scalars["proposals"] = Mean(static_cast<double>(proposals_), images_);
  if (options_.background) {
    scalars["true_background_share"] = Mean(true_background_, images_);
  }

  Series curve;
  curve.name = "oracle";
  for (int64_t k = 1; k <= most; ++k) {
    curve.x.push_back(static_cast<double>(k));
    curve.y.push_back(OracleIou(k));
  }
  findings->json["oracle_iou_by_number"] = curve.y;
  ReportChart chart;
  chart.options.title = "the best of the first proposals";
  chart.options.x_label = "proposals";
  chart.options.y_label = "mean IoU";
  chart.series.push_back(std::move(curve));
  for (size_t k = 0; k < methods_.size(); ++k) {
    const Method& method = methods_[k];
    const double iou = MeanIou(method.counts, /*chosen=*/false);
    const std::string prefix = k == 0 ? "" : method.name + "/";
    scalars[prefix + "pick_accuracy"] = Mean(method.accuracy, images_);
    scalars[prefix + "oracle_gap"] = oracle - iou;
    scalars[prefix + "pick_position"] = Mean(method.position, images_);
    scalars[prefix + "pick_rank"] = Mean(method.rank, images_);
    if (options_.background) {
      scalars[prefix + "background_share"] = Mean(method.background, images_);
    }
    chart.series.push_back(
        {method.name, {1.0, static_cast<double>(most)}, {iou, iou}});
  }
  findings->tables.push_back(Table());
  if (most > 1) findings->report.charts.push_back(std::move(chart));
  findings->report.facts.push_back(
      {absl::StrCat("mean IoU of the best of ", most, " proposals"),
       Percent(oracle) + " %"});
  for (ReportPicture& picture : pictures_) {
    findings->report.pictures.push_back(std::move(picture));
  }
  pictures_.clear();
  return absl::OkStatus();
}

std::string ProposalScores::Table() const {
  std::string table =
      absl::StrFormat("%-16s%10s%10s%10s%8s", "proposals", "mean IoU",
                      "by image", "position", "rank");
  if (options_.background) absl::StrAppendFormat(&table, "%12s", "background");
  for (const Method& method : methods_) {
    absl::StrAppendFormat(&table, "\n%-16s%10s%10s%10.2f%8.2f", method.name,
                          Percent(MeanIou(method.counts, /*chosen=*/false)),
                          Percent(Mean(method.accuracy, images_)),
                          Mean(method.position, images_),
                          Mean(method.rank, images_));
    if (!options_.background) continue;
    absl::StrAppendFormat(&table, "%12s",
                          Percent(Mean(method.background, images_)));
  }
  const int64_t most = static_cast<int64_t>(oracle_.size());
  for (const int64_t k : kOracles) {
    if (k >= most) break;
    absl::StrAppendFormat(&table, "\n%-16s%10s", absl::StrCat("best of ", k),
                          Percent(OracleIou(k)));
  }
  absl::StrAppendFormat(
      &table, "\n%-16s%10s%10s", absl::StrCat("best of ", most),
      Percent(OracleIou(most)), Percent(Mean(oracle_accuracy_, images_)));
  if (options_.background) {
    absl::StrAppendFormat(&table, "\n%-16s%50s", "truth",
                          Percent(Mean(true_background_, images_)));
  }
  return table;
}

void ProposalScores::AddPicture(const Scored& image,
                                const at::Tensor& accuracies) {
  const Proposals& proposals = source_.proposals(image.row);
  const ImageSize size = PanelSize(image.sample.image);
  const at::Tensor photo =
      ResizeImage(image.sample.image, size.height, size.width);
  const OverlayOptions overlay = OverlayFor(info_);
  const auto blend = [&](const at::Tensor& labels) {
    return BlendMask(photo,
                     ResizeMask(labels.contiguous(), size.height, size.width),
                     info_.palette, overlay);
  };
  ReportPicture picture;
  picture.group = "Proposals";
  picture.title = image.sample.id;
  picture.panels.push_back({"image", photo});
  picture.panels.push_back({"truth", blend(image.sample.mask)});
  picture.panels.push_back(
      {"coarse", blend(source_.coarse(image.row).argmax(0).to(at::kByte))});
  const int64_t m = proposals.labels.size(0);
  for (int64_t i = 0; i < std::min(m, kShownProposals); ++i) {
    picture.panels.push_back(
        {absl::StrFormat("%d: %.3g", i + 1, proposals.score[i].item<double>()),
         blend(proposals.labels[i])});
  }
  const int64_t pick = source_.picks(image.row)[0];
  const int64_t best = OraclePick(accuracies, m);
  picture.panels.push_back({absl::StrCat(methods_[0].name, ": ", pick + 1),
                            blend(proposals.labels[pick])});
  picture.panels.push_back(
      {absl::StrCat("best: ", best + 1), blend(proposals.labels[best])});
  picture.caption =
      absl::StrFormat("mean IoU of the pick %s, of the best of %d %s",
                      Percent(accuracies[pick].item<double>()), m,
                      Percent(accuracies[best].item<double>()));
  pictures_.push_back(std::move(picture));
}

}  // namespace segnet_rerank
}  // namespace seg
