#include "tools/shootout/shootout_report.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/reporting/report.h"
#include "common/reporting/svg_plot.h"
#include "common/reproduction/markdown.h"

namespace seg {
namespace {

using nlohmann::json;

constexpr char kMeanIou[] = "/metrics/mean_iou";

// NaN where eval printed none.
std::vector<double> Values(const Shot& shot, const std::string& pointer) {
  std::vector<double> values;
  for (const json& eval : shot.eval) {
    const json::json_pointer at(pointer);
    const bool there = eval.contains(at) && eval[at].is_number();
    values.push_back(there ? eval[at].get<double>() : std::nan(""));
  }
  return values;
}

std::string Percent(const Shot& shot, const std::string& pointer) {
  std::vector<double> values = Values(shot, pointer);
  for (double& value : values) {
    if (std::isnan(value)) return kNone;
    value *= 100;
  }
  return MeanAndSd(values, 1);
}

std::vector<const Shot*> InOrder(const std::vector<Shot>& shots) {
  std::vector<const Shot*> order;
  for (const Shot& shot : shots) order.push_back(&shot);
  std::stable_partition(order.begin(), order.end(), [](const Shot* shot) {
    return !shot->refiner.learned();
  });
  return order;
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

ReportChart Chart(const std::vector<Shot>& shots) {
  ReportChart chart;
  chart.options.title = "Accuracy against time";
  chart.options.x_label = "ms an image, two threads";
  chart.options.y_label = "mean IoU (%)";
  for (const Shot* shot : InOrder(shots)) {
    Series point;
    point.name = shot->refiner.title;
    point.x = {shot->ms_two_threads};
    point.y = {100 * Mean(Values(*shot, kMeanIou))};
    chart.series.push_back(std::move(point));
  }
  return chart;
}

}  // namespace

json ShootoutJson(const ShootoutOptions& options,
                  const std::vector<Shot>& shots, const json& environment) {
  json tree = {{"environment", environment}, {"data", options.data},
               {"split", options.split},     {"steps", options.steps},
               {"seeds", options.seeds},     {"metric", options.metric},
               {"refiners", json::array()}};
  for (const Shot& shot : shots) {
    json settings = json::array();
    for (const Setting& setting : shot.settings) {
      settings.push_back(
          {{"overrides", setting.overrides}, {"val", setting.value}});
    }
    tree["refiners"].push_back({{"name", shot.refiner.name},
                                {"title", shot.refiner.title},
                                {"paper", shot.refiner.paper},
                                {"learned", shot.refiner.learned()},
                                {"settings", settings},
                                {"chosen", shot.chosen},
                                {"eval", shot.eval},
                                {"ms_one_thread", shot.ms_one_thread},
                                {"ms_two_threads", shot.ms_two_threads},
                                {"peak_mib", shot.peak_mib},
                                {"parameters", shot.parameters},
                                {"train_seconds", shot.train_seconds}});
  }
  return tree;
}

std::string ShootoutTable(const std::vector<Shot>& shots) {
  MarkdownTable table;
  table.AddColumn("refiner", /*right=*/false);
  for (const char* name : {"mean IoU (%)", "IoU within 2 px of the contour (%)",
                           "ms, one thread", "ms, two threads", "memory (MiB)",
                           "parameters", "settings tried", "trained for (s)"}) {
    table.AddColumn(name);
  }
  for (const Shot* shot : InOrder(shots)) {
    const bool learned = shot->refiner.learned();
    table.AddRow({Escape(shot->refiner.title), Percent(*shot, kMeanIou),
                  Percent(*shot, "/metrics/boundary_iou_2"),
                  Fixed(shot->ms_one_thread, 1), Fixed(shot->ms_two_threads, 1),
                  absl::StrCat(shot->peak_mib),
                  learned ? absl::StrCat(shot->parameters) : kNone,
                  absl::StrCat(std::max<size_t>(shot->settings.size(), 1)),
                  learned ? Fixed(shot->train_seconds, 0) : kNone});
  }
  return table.Text();
}

std::string ShootoutPlot(const std::vector<Shot>& shots) {
  const ReportChart chart = Chart(shots);
  return LinePlot(chart.series, chart.options);
}

absl::Status WriteShootout(const ShootoutOptions& options,
                           const std::vector<Shot>& shots,
                           const json& environment) {
  const std::string root = options.work_dir + "/";
  const json tree = ShootoutJson(options, shots, environment);
  SEG_RETURN_IF_ERROR(
      WriteFileAtomically(root + "shootout.json", tree.dump(1) + "\n"));
  SEG_RETURN_IF_ERROR(
      WriteFileAtomically(root + "table.md", ShootoutTable(shots)));
  SEG_RETURN_IF_ERROR(
      WriteFileAtomically(root + "accuracy.svg", ShootoutPlot(shots)));
  ReportData report;
  report.title = "Refiners on the same probabilities";
  report.subtitle =
      absl::StrCat(absl::StrJoin(options.data, " "), ", split ", options.split,
                   ", ", options.steps, " updates");
  for (const Shot* shot : InOrder(shots)) {
    report.facts.push_back(
        {shot->refiner.title, Percent(*shot, kMeanIou) + " %"});
  }
  report.charts.push_back(Chart(shots));
  report.config_text = ShootoutTable(shots);
  report.environment_text = environment.dump(2);
  return WriteReport(root + "report.html", report);
}

}  // namespace seg
