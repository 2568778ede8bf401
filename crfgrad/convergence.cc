#include "crfgrad/convergence.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "common/metrics/connected_regions.h"
#include "common/reporting/report.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace crfgrad {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

ReportChart Chart(const std::string& title, const std::string& name,
                  const std::vector<double>& y) {
  std::vector<double> x(y.size());
  for (size_t t = 0; t < y.size(); ++t) x[t] = static_cast<double>(t);
  ReportChart chart;
  chart.options.title = title;
  chart.options.x_label = "iteration";
  chart.series = {{name, x, y}};
  return chart;
}

}  // namespace

Convergence::Convergence(const DatasetInfo& info, int64_t speck_area,
                         System* system)
    : info_(info), speck_area_(speck_area), system_(*system) {
  system_.KeepStates();
}

absl::Status Convergence::Add(const Scored& image) {
  const System::States states = system_.states().Row(image.row);
  const size_t steps = states.q.size();
  const size_t classes = info_.class_names.size();
  if (images_ == 0) {
    confusion_.assign(steps,
                      ConfusionMatrix(info_.num_classes(), info_.ignore_label));
    for (auto* sums : {&unary_, &spatial_, &bilateral_, &energy_share_}) {
      sums->assign(steps, 0);
    }
    specks_.assign(classes, std::vector<int64_t>(steps, 0));
    gone_ = specks_;
  }
  ++images_;
  const at::Tensor& mask = image.sample.mask;
  const double pixels = static_cast<double>(mask.numel());
  const at::Tensor rounded =
      system_.Rounded(states, states.feasible.back(), image.batch.images);
  rounded_ += system_.Energy(states, rounded).Total().item<double>() / pixels;
  std::vector<double> energy;
  std::vector<at::Tensor> first(classes);
  std::vector<int64_t> first_count(classes);
  for (size_t t = 0; t < steps; ++t) {
    const EnergyParts parts = system_.Energy(states, states.feasible[t]);
    energy.push_back(parts.Total().item<double>() / pixels);
    unary_[t] += parts.unary.item<double>() / pixels;
    spatial_[t] += parts.spatial.item<double>() / pixels;
    bilateral_[t] += parts.bilateral.item<double>() / pixels;
    const at::Tensor labels = states.q[t][0].argmax(0).cpu();
    confusion_[t].Add(labels, mask);
    for (size_t c = 0; c < classes; ++c) {
      int64_t count = 0;
      const at::Tensor specks = Specks(labels, mask, static_cast<int64_t>(c),
                                       speck_area_, info_.ignore_label, &count);
      specks_[c][t] += count;
      if (t == 0) first[c] = specks, first_count[c] = count;
      // Specks of t = 0 that still have a pixel of the class.
      const at::Tensor left = at::bincount(
          (first[c] * (labels == static_cast<int64_t>(c))).flatten(), {},
          first_count[c] + 1);
      gone_[c][t] +=
          first_count[c] - (left.slice(0, 1) > 0).sum().item<int64_t>();
    }
  }
  const double fall = energy.front() - energy.back();
  if (!(fall > 0)) return absl::OkStatus();  // no share of a fall
  ++shares_;
  for (size_t t = 0; t < steps; ++t) {
    energy_share_[t] += (energy.front() - energy[t]) / fall;
  }
  return absl::OkStatus();
}

absl::Status Convergence::Finish(Findings* findings) {
  const size_t steps = confusion_.size();
  const double images = static_cast<double>(images_);
  std::vector<double> mean_iou(steps), energy(steps), share(steps, kNan);
  for (size_t t = 0; t < steps; ++t) {
    mean_iou[t] = confusion_[t].MeanIou();
    for (auto* sums : {&unary_, &spatial_, &bilateral_}) {
      (*sums)[t] /= images;
      energy[t] += (*sums)[t];
    }
    if (shares_ > 0) share[t] = energy_share_[t] / static_cast<double>(shares_);
  }
  const double rounded = rounded_ / images;
  nlohmann::json& json = findings->json["convergence"];
  json = {
      {"mean_iou", mean_iou},
      {"energy", energy},
      {"energy_parts",
       {{"unary", unary_}, {"spatial", spatial_}, {"bilateral", bilateral_}}},
      {"energy_share", share},
      {"energy_rounded", rounded}};
  for (const double iou : mean_iou) {
    json["mean_iou_to_come"].push_back(mean_iou.back() - iou);
  }
  for (size_t c = 0; c < info_.class_names.size(); ++c) {
    const std::string& name = info_.class_names[c];
    const std::vector<int64_t>& specks = specks_[c];
    json["specks"][name] = specks;
    nlohmann::json& removed = json["specks_removed"][name];
    for (const int64_t gone : gone_[c]) {
      removed.push_back(specks[0] == 0 ? kNan
                                       : static_cast<double>(gone) /
                                             static_cast<double>(specks[0]));
    }
    nlohmann::json& least = json["least_speck_fall"][name];
    least.push_back(nullptr);
    int64_t lowest = std::numeric_limits<int64_t>::max();
    for (size_t t = 1; t < specks.size(); ++t) {
      lowest = std::min(lowest, specks[t - 1] - specks[t]);
      least.push_back(lowest);
    }
  }

  std::string table =
      absl::StrFormat("%-12s%10s%12s", "iteration", "mean IoU", "energy");
  for (const std::string& name : info_.class_names) {
    absl::StrAppendFormat(&table, "%20s", "specks " + name.substr(0, 12));
  }
  for (size_t t = 0; t < steps; ++t) {
    absl::StrAppendFormat(&table, "\n%-12d%10.2f%12.4f", t, 100 * mean_iou[t],
                          energy[t]);
    for (const std::vector<int64_t>& specks : specks_) {
      absl::StrAppendFormat(&table, "%20d", specks[t]);
    }
  }
  absl::StrAppendFormat(&table, "\nenergy after rounding %12.4f", rounded);
  findings->tables.push_back(std::move(table));
  findings->report.charts.push_back(
      Chart("Mean IoU during inference", "mean IoU", mean_iou));
  findings->report.charts.push_back(
      Chart("Energy a pixel during inference", "energy", energy));
  return absl::OkStatus();
}

}  // namespace crfgrad
}  // namespace seg
