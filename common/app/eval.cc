#include "common/app/eval.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/usage_error.h"
#include "common/config/config.h"
#include "common/datasets/no_such_split.h"
#include "common/evaluation/same_classes.h"
#include "common/io/json_lines.h"
#include "common/training/run_folder.h"

namespace seg {

int64_t TrainingPeakMib(const RunRef& run) {
  int64_t peak = -1;
  if (run.folder.empty()) return peak;
  const absl::StatusOr<std::vector<nlohmann::json>> lines =
      ReadJsonLines(run.folder + "/metrics.jsonl");
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

absl::StatusOr<std::shared_ptr<const Dataset>> OpenEvaluated(
    const MainArgs& args, const EvalCommand& command) {
  absl::StatusOr<std::shared_ptr<const Dataset>> opened = OpenFilledDataset(
      command.data, args.data_root, args.split, command.needs_masks);
  if (IsNoSuchSplit(opened.status())) return UsageError(opened.status());
  if (opened.ok() && !command.own_classes) {
    SEG_RETURN_IF_ERROR(
        UsageError(CheckSameClasses(command.run.info, (*opened)->info(),
                                    command.data.map, command.classes)));
  }
  return opened;
}

absl::Status RunEval(const MainArgs& args, const EvalCommand& command) {
  SEG_ASSIGN_OR_RETURN(const std::shared_ptr<const Dataset> dataset,
                       OpenEvaluated(args, command));
  EvaluateOptions options;
  options.device = command.run.device;
  SEG_ASSIGN_OR_RETURN(Findings findings,
                       Evaluate(*dataset, *command.predictor,
                                command.measures(dataset->info()), options));
  for (const std::string& warning : findings.warnings) {
    LogWarning(absl::StrCat(dataset->info().name, ", split ", args.split, ": ",
                            warning));
  }
  findings.json["device"] = command.run.device.str();
  findings.json["parameters"] = command.parameters;
  const int64_t peak = TrainingPeakMib(command.run.ref);
  if (peak >= 0) findings.json["training_peak_mib"] = peak;
  if (args.json) {
    std::printf("%s\n", ToJson(findings).dump().c_str());
  } else {
    std::printf("%s, %s, split %s, %d images\n%s\n",
                command.run.ref.checkpoint.c_str(),
                dataset->info().name.c_str(), args.split.c_str(),
                static_cast<int>(dataset->size()), ToText(findings).c_str());
  }
  if (args.out.empty()) return absl::OkStatus();
  std::error_code error;
  std::filesystem::create_directories(args.out, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat(args.out, ": cannot be made: ", error.message()));
  }
  ReportData& report = findings.report;
  report.title = args.paper;
  report.subtitle = command.run.ref.checkpoint + ", split " + args.split;
  report.config_text = ToYaml(command.config);
  RunOptions told;
  told.paper = args.paper;
  told.device = command.run.device;
  told.seed = args.seed;
  told.overrides = args.overrides;
  report.environment_text = Environment(told).dump(2);
  return WriteReport(args.out + "/report.html", report);
}

}  // namespace seg
