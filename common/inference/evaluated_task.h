// The half of a Task that every segmentation paper shares: validation and the
// final report by Evaluate.
#ifndef COMMON_INFERENCE_EVALUATED_TASK_H_
#define COMMON_INFERENCE_EVALUATED_TASK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/datasets/dataset.h"
#include "common/inference/evaluate.h"
#include "common/training/task.h"

namespace seg {

struct EvaluatedTaskOptions {
  std::shared_ptr<const Dataset> val;
  std::shared_ptr<const Dataset> report;  // what Finish evaluates
  std::string report_split;               // its name, for the table
  int64_t report_pictures = 5;
  c10::Device device = c10::kCPU;
};

class EvaluatedTask : public Task {
 public:
  explicit EvaluatedTask(EvaluatedTaskOptions options);

  absl::StatusOr<Metrics> Validate() override;
  absl::StatusOr<Metrics> Rehearse() override;
  absl::StatusOr<std::string> Finish(ReportData* report) override;

 protected:
  // What validation measures on a data set. Default: "mean_iou" and
  // "pixel_accuracy" of the first output, "NAME_mean_iou" of the others.
  virtual absl::StatusOr<Metrics> Measure(const Dataset& dataset);
  // The network's outputs and their names, as Evaluate wants them.
  virtual std::vector<at::Tensor> Predict(const Batch& batch) = 0;
  virtual std::vector<std::string> OutputNames() const = 0;
  // What a paper adds to the metrics and the table. Default: nothing.
  virtual void AddMetrics(const EvaluateResult& result, Metrics* metrics);
  virtual absl::Status AddToTable(const EvaluateResult& result,
                                  std::string* table);

  const EvaluatedTaskOptions& options() const { return options_; }

 private:
  absl::StatusOr<EvaluateResult> EvaluateOn(const Dataset& dataset);

  EvaluatedTaskOptions options_;
};

}  // namespace seg

#endif  // COMMON_INFERENCE_EVALUATED_TASK_H_
