// Evaluates a trained run on a split: see README.md.
#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "common/base/status_macros.h"
#include "common/config/main.h"
#include "common/datasets/open.h"
#include "common/inference/evaluate.h"
#include "common/training/run_folder.h"
#include "crfgrad/convergence.h"
#include "crfgrad/restore.h"

namespace {

absl::Status Eval(const seg::MainArgs& args) {
  SEG_ASSIGN_OR_RETURN(seg::crfgrad::Restored restored,
                       seg::crfgrad::Restore(args));
  SEG_ASSIGN_OR_RETURN(
      const auto dataset,
      seg::OpenDataset(restored.config.data, args.data_root, args.split));
  seg::EvaluateOptions options;
  options.outputs = restored.model->OutputNames();
  options.device = restored.device;
  const seg::PredictFn predict = [&](const at::Tensor& images) {
    return restored.model->Predict(images);
  };
  SEG_ASSIGN_OR_RETURN(const seg::EvaluateResult result,
                       seg::Evaluate(*dataset, predict, options));
  const bool with_convergence = restored.config.eval.convergence;
  seg::crfgrad::Convergence convergence;
  if (with_convergence) {
    SEG_ASSIGN_OR_RETURN(convergence, seg::crfgrad::MeasureConvergence(
                                          *dataset, restored.config,
                                          restored.model, restored.device));
  }
  if (args.json) {
    nlohmann::json json = seg::ToJson(result);
    if (with_convergence) {
      json["convergence"] = seg::crfgrad::ToJson(convergence);
    }
    std::printf("%s\n", json.dump().c_str());
  } else {
    std::printf("%s, %s, split %s, %zu images\n%s\n",
                restored.checkpoint.c_str(), result.info.name.c_str(),
                args.split.c_str(), result.ids.size(),
                seg::ToTable(result).c_str());
    if (with_convergence) {
      std::printf("%s\n", seg::crfgrad::ToTable(convergence).c_str());
    }
  }
  if (args.out.empty()) return absl::OkStatus();
  seg::ReportData report;
  report.title = args.paper;
  report.subtitle = restored.checkpoint + ", split " + args.split;
  report.config_text = seg::ToYaml(nlohmann::json(restored.config));
  report.environment_text = seg::Environment(args).dump(2);
  SEG_RETURN_IF_ERROR(
      seg::FillReport(*dataset, result, predict, restored.device,
                      restored.config.report_pictures, &report));
  if (with_convergence) seg::crfgrad::AddCharts(convergence, &report);
  return seg::WriteReport(args.out + "/report.html", report);
}

}  // namespace

int main(int argc, char** argv) {
  return seg::RunMain(argc, argv, seg::Command::kEval, "crfgrad", Eval);
}
