// Draws what a trained layer has learned and how its inference goes: see
// README.md.
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/app/command.h"
#include "common/app/eval.h"
#include "common/evaluation/evaluate.h"
#include "common/io/file.h"
#include "common/io/image.h"
#include "common/io/npy.h"
#include "common/reporting/overlay.h"
#include "common/reporting/report.h"
#include "common/reporting/svg_plot.h"
#include "crfgrad/convergence.h"
#include "crfgrad/filter_pictures.h"
#include "crfgrad/paper.h"
#include "crfgrad/states.h"

namespace seg {
namespace crfgrad {
namespace {

// Of the curves of Fig. 6, 9 and 10, for a model that was trained with 5.
constexpr char kIterations[] = "crf.iterations=30";

// Writes OUT/NAME.png and OUT/NAME.npy, and adds the picture to the report.
absl::Status AddFilter(const std::string& out, const std::string& name,
                       const at::Tensor& filter, const FilterPicture& picture,
                       const std::string& axes, ReportData* report) {
  SEG_RETURN_IF_ERROR(
      WriteNpy(absl::StrCat(out, "/", name, ".npy"), filter.detach()));
  const std::string path = absl::StrCat(out, "/", name, ".png");
  SEG_RETURN_IF_ERROR(WriteImage(path, picture.rgb));
  const std::string scale = absl::StrFormat("%.4g", picture.scale);
  std::printf("%s: full colour is %s\n", path.c_str(), scale.c_str());
  ReportPicture shown;
  shown.group = "Filters";
  shown.title = name;
  shown.caption = absl::StrCat(
      axes, "; white is 0, vermillion a cost, blue a gain, full colour ", scale,
      "; classes: ", absl::StrJoin(report->class_names, ", "));
  shown.panels = {{name, picture.rgb}};
  report->pictures.push_back(std::move(shown));
  return absl::OkStatus();
}

absl::Status DrawFilters(const std::string& out, const CrfFilters& filters,
                         ReportData* report) {
  if (filters.spatial.defined()) {
    SEG_RETURN_IF_ERROR(AddFilter(
        out, "spatial", filters.spatial, SpatialPicture(filters.spatial),
        "a row for the class of the pixel, a column for that of its neighbour",
        report));
  }
  if (filters.bilateral.defined()) {
    SEG_RETURN_IF_ERROR(AddFilter(
        out, "bilateral", filters.bilateral,
        BilateralPicture(filters.bilateral),
        "a block for the class of the pixel, a row for that of its neighbour, "
        "a column for each offset on the lattice, nearest first",
        report));
  }
  return absl::OkStatus();
}

absl::Status DrawFigures(const MainArgs& args, Restored<Paper>& restored) {
  EvalCommand split;
  split.run = restored.run;
  split.data = restored.config.data;
  split.classes = restored.config.eval.classes;
  SEG_ASSIGN_OR_RETURN(const std::shared_ptr<const Dataset> dataset,
                       OpenEvaluated(args, split));
  Measures measures;
  measures.push_back(std::make_unique<Convergence>(
      dataset->info(), restored.config.eval.speck_area, restored.system.get()));
  measures.push_back(std::make_unique<StatePictures>(
      dataset->info(), restored.config.report_pictures, restored.system.get()));
  EvaluateOptions options;
  options.device = restored.run.device;
  SEG_ASSIGN_OR_RETURN(const Findings findings,
                       Evaluate(*dataset, *restored.system, measures, options));

  ReportData report;
  report.title = "crfgrad: figures";
  report.subtitle = restored.run.ref.checkpoint + ", split " + args.split;
  report.charts = findings.report.charts;
  report.class_names = dataset->info().class_names;
  report.palette = dataset->info().palette;
  report.pictures = findings.report.pictures;
  report.config_text = ToYaml(nlohmann::json(restored.config));

  std::printf("%s\n", findings.tables.front().c_str());
  SEG_RETURN_IF_ERROR(
      WriteFileAtomically(args.out + "/convergence.json",
                          findings.json["convergence"].dump(1) + "\n"));
  for (const ReportChart& chart : report.charts) {
    const std::string name = absl::AsciiStrToLower(
        absl::StrReplaceAll(chart.series[0].name, {{" ", "_"}}));
    SEG_RETURN_IF_ERROR(
        WriteFileAtomically(absl::StrCat(args.out, "/", name, ".svg"),
                            LinePlot(chart.series, chart.options)));
  }
  for (size_t i = 0; i < report.pictures.size(); ++i) {
    std::vector<at::Tensor> panels;
    for (const ReportPanel& panel : report.pictures[i].panels) {
      panels.push_back(panel.rgb);
    }
    SEG_RETURN_IF_ERROR(WriteImage(
        absl::StrCat(args.out, "/states-", i, ".png"), SideBySide(panels)));
  }
  SEG_RETURN_IF_ERROR(
      DrawFilters(args.out, restored.models[0]->crf()->filters(), &report));
  const std::string page = args.out + "/report.html";
  SEG_RETURN_IF_ERROR(WriteReport(page, report));
  std::printf("report: %s\n", page.c_str());
  return absl::OkStatus();
}

// The overrides of the user come after, and count.
absl::Status Figures(const MainArgs& given) {
  MainArgs args = given;
  args.overrides.insert(args.overrides.begin(), kIterations);
  return RunCommand<Paper>(args, kFigures, DrawFigures);
}

}  // namespace
}  // namespace crfgrad
}  // namespace seg

int main(int argc, char** argv) {
  return seg::RunMain(argc, argv, seg::crfgrad::kFigures,
                      seg::crfgrad::Paper::kName, seg::crfgrad::Figures);
}
