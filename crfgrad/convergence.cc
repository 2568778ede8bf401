#include "crfgrad/convergence.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "common/config/main.h"
#include "common/metrics/confusion_matrix.h"
#include "common/metrics/connected_regions.h"

namespace seg {
namespace crfgrad {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<double> Iterations(size_t size) {
  std::vector<double> x(size);
  for (size_t t = 0; t < size; ++t) x[t] = static_cast<double>(t);
  return x;
}

}  // namespace

absl::StatusOr<Convergence> MeasureConvergence(const Dataset& dataset,
                                               const Config& config,
                                               Model model,
                                               c10::Device device) {
  const DatasetInfo& info = dataset.info();
  if (!model->has_crf()) {
    return UsageError(absl::InvalidArgumentError(
        "eval.convergence: needs model.inference=crfgrad"));
  }
  if (!info.has_masks) {
    return absl::FailedPreconditionError(info.name +
                                         ": has no masks to evaluate against");
  }
  const size_t steps = config.crf.iterations + 1;
  const int64_t classes = info.num_classes();
  Convergence result;
  result.class_names = info.class_names;
  result.energy.assign(steps, 0);
  result.energy_share.assign(steps, 0);
  result.specks.assign(classes, std::vector<int64_t>(steps, 0));
  std::vector<std::vector<int64_t>> gone = result.specks;
  std::vector<ConfusionMatrix> confusion(
      steps, ConfusionMatrix(classes, info.ignore_label));
  int64_t shares = 0;

  const c10::InferenceMode inference;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    SEG_ASSIGN_OR_RETURN(const Sample sample, dataset.Get(i));
    const at::Tensor image = sample.image.unsqueeze(0).to(device, at::kFloat);
    const at::Tensor z = at::softmax(model->Scores(image), 1);
    const LatticeVector lattices = model->crf()->BuildLattices(image);
    std::vector<at::Tensor> states;
    model->crf()->forward(z, lattices, &states);

    std::vector<double> energy;
    std::vector<at::Tensor> first(classes);
    std::vector<int64_t> first_count(classes);
    for (size_t t = 0; t < steps; ++t) {
      energy.push_back(
          model->crf()->Energy(z, states[t], lattices).item<double>() /
          static_cast<double>(sample.mask.numel()));
      result.energy[t] += energy[t] / static_cast<double>(dataset.size());
      const at::Tensor labels = states[t][0].argmax(0).cpu();
      confusion[t].Add(labels, sample.mask);
      for (int64_t c = 0; c < classes; ++c) {
        int64_t count = 0;
        const at::Tensor specks =
            Specks(labels, sample.mask, c, config.eval.speck_area,
                   info.ignore_label, &count);
        result.specks[c][t] += count;
        if (t == 0) first[c] = specks, first_count[c] = count;
        // Specks of t = 0 that still have a pixel of the class.
        const at::Tensor left = at::bincount(
            (first[c] * (labels == c)).flatten(), {}, first_count[c] + 1);
        gone[c][t] +=
            first_count[c] - (left.slice(0, 1) > 0).sum().item<int64_t>();
      }
    }
    const double fall = energy.front() - energy.back();
    if (fall == 0) continue;
    ++shares;
    for (size_t t = 0; t < steps; ++t) {
      result.energy_share[t] += (energy.front() - energy[t]) / fall;
    }
  }
  for (size_t t = 0; t < steps; ++t) {
    result.mean_iou.push_back(confusion[t].MeanIou());
    result.energy_share[t] =
        shares == 0 ? kNan
                    : result.energy_share[t] / static_cast<double>(shares);
  }
  for (int64_t c = 0; c < classes; ++c) {
    result.specks_removed.emplace_back();
    for (size_t t = 0; t < steps; ++t) {
      const int64_t before = result.specks[c][0];
      result.specks_removed[c].push_back(before == 0
                                             ? kNan
                                             : static_cast<double>(gone[c][t]) /
                                                   static_cast<double>(before));
    }
  }
  return result;
}

nlohmann::json ToJson(const Convergence& convergence) {
  nlohmann::json json = {{"mean_iou", convergence.mean_iou},
                         {"energy", convergence.energy},
                         {"energy_share", convergence.energy_share}};
  for (const double iou : convergence.mean_iou) {
    json["mean_iou_to_come"].push_back(convergence.mean_iou.back() - iou);
  }
  for (size_t c = 0; c < convergence.class_names.size(); ++c) {
    const std::string& name = convergence.class_names[c];
    const std::vector<int64_t>& specks = convergence.specks[c];
    json["specks"][name] = specks;
    json["specks_removed"][name] = convergence.specks_removed[c];
    nlohmann::json& least = json["least_speck_fall"][name];
    least.push_back(nullptr);
    int64_t lowest = std::numeric_limits<int64_t>::max();
    for (size_t t = 1; t < specks.size(); ++t) {
      lowest = std::min(lowest, specks[t - 1] - specks[t]);
      least.push_back(lowest);
    }
  }
  return json;
}

std::string ToTable(const Convergence& convergence) {
  std::string table =
      absl::StrFormat("%-12s%10s%12s", "iteration", "mean IoU", "energy");
  for (const std::string& name : convergence.class_names) {
    absl::StrAppendFormat(&table, "%20s", "specks " + name.substr(0, 12));
  }
  for (size_t t = 0; t < convergence.mean_iou.size(); ++t) {
    absl::StrAppendFormat(&table, "\n%-12d%10.2f%12.4f", t,
                          100 * convergence.mean_iou[t], convergence.energy[t]);
    for (const std::vector<int64_t>& specks : convergence.specks) {
      absl::StrAppendFormat(&table, "%20d", specks[t]);
    }
  }
  return table;
}

void AddCharts(const Convergence& convergence, ReportData* report) {
  const std::vector<double> x = Iterations(convergence.mean_iou.size());
  ReportChart iou;
  iou.options.title = "Mean IoU during inference";
  iou.options.x_label = "iteration";
  iou.series = {{"mean IoU", x, convergence.mean_iou}};
  ReportChart energy;
  energy.options.title = "Energy a pixel during inference";
  energy.options.x_label = "iteration";
  energy.series = {{"energy", x, convergence.energy}};
  report->charts.push_back(std::move(iou));
  report->charts.push_back(std::move(energy));
}

}  // namespace crfgrad
}  // namespace seg
