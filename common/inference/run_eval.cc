#include "common/inference/run_eval.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/config/config.h"
#include "common/datasets/label_census.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/open.h"
#include "common/inference/same_classes.h"
#include "common/io/json_lines.h"
#include "common/training/checkpoint.h"
#include "common/training/run_folder.h"

namespace seg {
namespace {

// Scores against masks in which void stands for a class look perfect. (A split
// of one class without void pixels is as it is.)
void WarnOfLabels(const EvaluateResult& result, const std::string& split) {
  if (result.void_pixels == 0) return;
  LabelCensus census(result.info);
  census.masks = static_cast<int64_t>(result.ids.size());
  const ConfusionMatrix& confusion = result.outputs[0].confusion;
  for (int64_t t = 0; t < confusion.num_classes(); ++t) {
    for (int64_t p = 0; p < confusion.num_classes(); ++p) {
      census.class_pixels[t] += confusion.count(t, p);
    }
  }
  census.void_pixels = result.void_pixels;
  for (const std::string& line :
       JudgeLabels(census, result.info, "MASKS").errors) {
    LogWarning(absl::StrCat(result.info.name, ", split ", split, ": ", line));
  }
}

}  // namespace

int64_t TrainingPeakMib(const std::string& checkpoint) {
  const absl::StatusOr<std::vector<nlohmann::json>> lines =
      ReadJsonLines(RunOfCheckpoint(checkpoint) + "/metrics.jsonl");
  int64_t peak = -1;
  if (!lines.ok()) return peak;
  for (const nlohmann::json& line : *lines) {
    const auto memory = line.find("memory");
    if (memory != line.end() && memory->is_number()) {
      peak = std::max(peak, memory->get<int64_t>());
    }
  }
  return peak;
}

int64_t CountParameters(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const at::Tensor& parameter : module.parameters()) {
    count += parameter.numel();
  }
  return count;
}

absl::Status RunEval(const MainArgs& args, const EvalCommand& command) {
  const absl::StatusOr<std::shared_ptr<const Dataset>> opened =
      OpenLabelledDataset(command.data, args.data_root, args.split);
  if (IsNoSuchSplit(opened.status())) return UsageError(opened.status());
  if (!opened.ok()) return opened.status();
  const std::shared_ptr<const Dataset>& dataset = *opened;
  SEG_RETURN_IF_ERROR(UsageError(CheckSameClasses(
      command.run.info, dataset->info(), command.data.map, command.classes)));
  EvaluateOptions options;
  options.outputs = command.outputs;
  options.device = command.run.device;
  SEG_ASSIGN_OR_RETURN(const EvaluateResult result,
                       Evaluate(*dataset, command.predict, options));
  WarnOfLabels(result, args.split);
  EvalOutput output;
  output.json = ToJson(result);
  output.json["device"] = command.run.device.str();
  const int64_t peak = TrainingPeakMib(command.run.checkpoint);
  if (peak >= 0) output.json["training_peak_mib"] = peak;
  output.table = absl::StrFormat(
      "%s, %s, split %s, %d images\n%s", command.run.checkpoint,
      result.info.name, args.split, result.ids.size(), ToTable(result));
  if (command.extend) {
    SEG_RETURN_IF_ERROR(command.extend(*dataset, result, &output));
  }
  std::printf("%s\n",
              args.json ? output.json.dump().c_str() : output.table.c_str());
  if (args.out.empty()) return absl::OkStatus();
  std::error_code error;
  std::filesystem::create_directories(args.out, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat(args.out, ": cannot be made: ", error.message()));
  }
  ReportData& report = output.report;
  report.title = args.paper;
  report.subtitle = command.run.checkpoint + ", split " + args.split;
  report.config_text = ToYaml(command.config);
  report.environment_text = Environment(args).dump(2);
  SEG_RETURN_IF_ERROR(FillReport(*dataset, result, command.predict,
                                 command.run.device, command.report_pictures,
                                 &report));
  return WriteReport(args.out + "/report.html", report);
}

}  // namespace seg
