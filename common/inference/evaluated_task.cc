#include "common/inference/evaluated_task.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/datasets/views.h"

namespace seg {

EvaluatedTask::EvaluatedTask(EvaluatedTaskOptions options)
    : options_(std::move(options)) {}

void EvaluatedTask::AddMetrics(const EvaluateResult& /*result*/,
                               Metrics* /*metrics*/) {}
absl::Status EvaluatedTask::AddToTable(const EvaluateResult& /*result*/,
                                       std::string* /*table*/) {
  return absl::OkStatus();
}

absl::StatusOr<EvaluateResult> EvaluatedTask::EvaluateOn(
    const Dataset& dataset) {
  EvaluateOptions evaluate;
  evaluate.outputs = OutputNames();
  evaluate.device = options_.device;
  return Evaluate(
      dataset, [this](const Batch& batch) { return Predict(batch); }, evaluate);
}

absl::StatusOr<Metrics> EvaluatedTask::Validate() {
  return Measure(*options_.val);
}

absl::StatusOr<Metrics> EvaluatedTask::Rehearse() {
  if (options_.report_split != "val") {
    SEG_RETURN_IF_ERROR(Measure(*FirstSample(options_.report)).status());
  }
  return Measure(*FirstSample(options_.val));
}

absl::StatusOr<Metrics> EvaluatedTask::Measure(const Dataset& dataset) {
  SEG_ASSIGN_OR_RETURN(const EvaluateResult result, EvaluateOn(dataset));
  Metrics metrics;
  for (size_t i = 0; i < result.outputs.size(); ++i) {
    const OutputResult& output = result.outputs[i];
    metrics[i == 0 ? "mean_iou" : output.name + "_mean_iou"] =
        output.confusion.MeanIou();
  }
  metrics["pixel_accuracy"] = result.outputs[0].confusion.PixelAccuracy();
  AddMetrics(result, &metrics);
  return metrics;
}

absl::StatusOr<std::string> EvaluatedTask::Finish(ReportData* report) {
  SEG_ASSIGN_OR_RETURN(const EvaluateResult result,
                       EvaluateOn(*options_.report));
  SEG_RETURN_IF_ERROR(FillReport(
      *options_.report, result,
      [this](const Batch& batch) { return Predict(batch); }, options_.device,
      options_.report_pictures, report));
  std::string table =
      absl::StrCat(result.info.name, ", split ", options_.report_split, ", ",
                   result.ids.size(), " images\n", ToTable(result));
  SEG_RETURN_IF_ERROR(AddToTable(result, &table));
  return table;
}

}  // namespace seg
