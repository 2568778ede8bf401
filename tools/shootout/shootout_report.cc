#include "tools/shootout/shootout_report.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

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
constexpr char kChosenMeanIou[] = "/metrics/chosen_mean_iou";

// NaN where there is no number.
double Number(const json& tree, const std::string& pointer) {
  const json::json_pointer at(pointer);
  const bool there = tree.contains(at) && tree[at].is_number();
  return there ? tree[at].get<double>() : std::nan("");
}

// One a seed, in percent.
std::vector<double> Percents(const json& shot, const std::string& pointer) {
  std::vector<double> values;
  for (const json& eval : shot["eval"]) {
    values.push_back(100 * Number(eval, pointer));
  }
  return values;
}

std::string Percent(const json& shot, const std::string& pointer) {
  const std::vector<double> values = Percents(shot, pointer);
  for (const double value : values) {
    if (std::isnan(value)) return kNone;
  }
  return MeanAndSd(values, 1);
}

std::string Title(const json& shot) {
  return Escape(shot["title"].get<std::string>());
}

// Those that learn nothing first.
std::vector<json> InOrder(const json& tree) {
  std::vector<json> order = tree["refiners"];
  std::stable_partition(order.begin(), order.end(), [](const json& shot) {
    return !shot["learned"].get<bool>();
  });
  return order;
}

bool HasChosenClasses(const json& tree) {
  for (const json& shot : tree["refiners"]) {
    for (const json& eval : shot["eval"]) {
      if (!std::isnan(Number(eval, kChosenMeanIou))) return true;
    }
  }
  return false;
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

ReportChart Chart(const json& tree) {
  const bool chosen = tree["metric"] == kChosenMeanIou;
  ReportChart chart;
  chart.options.title = "Accuracy against time";
  chart.options.log_x = true;
  chart.options.name_points = true;
  chart.options.x_label = "ms an image, two threads";
  chart.options.y_label =
      chosen ? "mean IoU of chosen classes (%)" : "mean IoU (%)";
  for (const json& shot : InOrder(tree)) {
    Series point;
    point.name = shot["title"];
    point.x = {Number(shot, "/ms_two_threads")};
    point.y = {Mean(Percents(shot, chosen ? kChosenMeanIou : kMeanIou))};
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

std::string ShootoutTable(const json& tree) {
  const bool chosen = HasChosenClasses(tree);
  MarkdownTable table;
  table.AddColumn("refiner", /*right=*/false);
  table.AddColumn("mean IoU (%)");
  if (chosen) table.AddColumn("mean IoU of chosen classes (%)");
  for (const char* name : {"IoU within 2 px of the contour (%)",
                           "ms, one thread", "ms, two threads", "memory (MiB)",
                           "parameters", "settings tried", "trained for (s)"}) {
    table.AddColumn(name);
  }
  for (const json& shot : InOrder(tree)) {
    const bool learned = shot["learned"];
    std::vector<std::string> row = {Title(shot), Percent(shot, kMeanIou)};
    if (chosen) row.push_back(Percent(shot, kChosenMeanIou));
    for (const std::string& cell :
         {Percent(shot, "/metrics/boundary_iou_2"),
          Fixed(Number(shot, "/ms_one_thread"), 1),
          Fixed(Number(shot, "/ms_two_threads"), 1), shot["peak_mib"].dump(),
          learned ? shot["parameters"].dump() : kNone,
          absl::StrCat(std::max<size_t>(shot["settings"].size(), 1)),
          learned ? Fixed(Number(shot, "/train_seconds"), 0) : kNone}) {
      row.push_back(cell);
    }
    table.AddRow(row);
  }
  return table.Text();
}

std::string ShootoutClasses(const json& tree) {
  const std::vector<json> order = InOrder(tree);
  MarkdownTable table;
  table.AddColumn("class", /*right=*/false);
  std::set<std::string> classes;
  for (const json& shot : order) {
    table.AddColumn(Title(shot));
    for (const json& eval : shot["eval"]) {
      if (!eval.contains("per_class")) continue;
      for (const auto& item : eval["per_class"].items()) {
        classes.insert(item.key());
      }
    }
  }
  for (const std::string& name : classes) {
    std::vector<std::string> row = {Escape(name)};
    for (const json& shot : order) {
      const json::json_pointer at = json::json_pointer("/per_class") / name;
      row.push_back(Percent(shot, at.to_string()));
    }
    table.AddRow(row);
  }
  return table.Text();
}

std::string ShootoutPlot(const json& tree) {
  const ReportChart chart = Chart(tree);
  return LinePlot(chart.series, chart.options);
}

absl::Status WriteShootout(const json& tree, const std::string& folder) {
  const std::string root = folder + "/";
  const std::string table = ShootoutTable(tree);
  const std::string classes = ShootoutClasses(tree);
  SEG_RETURN_IF_ERROR(
      WriteFileAtomically(root + "shootout.json", tree.dump(1) + "\n"));
  SEG_RETURN_IF_ERROR(WriteFileAtomically(root + "table.md", table));
  SEG_RETURN_IF_ERROR(WriteFileAtomically(root + "classes.md", classes));
  SEG_RETURN_IF_ERROR(
      WriteFileAtomically(root + "accuracy.svg", ShootoutPlot(tree)));
  ReportData report;
  report.title = "Refiners on the same probabilities";
  report.subtitle = absl::StrCat(
      absl::StrJoin(tree["data"].get<std::vector<std::string>>(), " "),
      ", split ", tree["split"].get<std::string>(), ", ", tree["steps"].dump(),
      " updates");
  for (const json& shot : InOrder(tree)) {
    report.facts.push_back(
        {shot["title"].get<std::string>(), Percent(shot, kMeanIou) + " %"});
  }
  report.charts.push_back(Chart(tree));
  report.config_text = absl::StrCat(table, "\n", classes);
  report.environment_text = tree["environment"].dump(2);
  return WriteReport(root + "report.html", report);
}

}  // namespace seg
