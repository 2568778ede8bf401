#include "common/inference/run_eval.h"

#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "common/config/config.h"
#include "common/datasets/open.h"
#include "common/training/run_folder.h"

namespace seg {

absl::Status RunEval(const MainArgs& args, const EvalCommand& command) {
  SEG_ASSIGN_OR_RETURN(const std::shared_ptr<const Dataset> dataset,
                       OpenDataset(command.data, args.data_root, args.split));
  EvaluateOptions options;
  options.outputs = command.outputs;
  options.device = command.run.device;
  SEG_ASSIGN_OR_RETURN(const EvaluateResult result,
                       Evaluate(*dataset, command.predict, options));
  EvalOutput output;
  output.json = ToJson(result);
  output.table = absl::StrFormat(
      "%s, %s, split %s, %d images\n%s", command.run.checkpoint,
      result.info.name, args.split, result.ids.size(), ToTable(result));
  if (command.extend) {
    SEG_RETURN_IF_ERROR(command.extend(*dataset, result, &output));
  }
  std::printf("%s\n",
              args.json ? output.json.dump().c_str() : output.table.c_str());
  if (args.out.empty()) return absl::OkStatus();
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
