// CRF-Grad as the Trainer sees it: losses, parameter groups, validation.
#ifndef CRFGRAD_TASK_H_
#define CRFGRAD_TASK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/datasets/dataset.h"
#include "common/training/task.h"
#include "crfgrad/config.h"
#include "crfgrad/model.h"

namespace seg {
namespace crfgrad {

class CrfGradTask : public Task {
 public:
  // `report` is the split that Finish evaluates.
  CrfGradTask(const Config& config, Model model,
              std::shared_ptr<const Dataset> val,
              std::shared_ptr<const Dataset> report, c10::Device device);

  torch::nn::Module& module() override { return *model_; }
  std::vector<Phase> Phases() override;
  StepLoss Loss(int64_t phase, const Batch& batch, int64_t step) override;
  absl::StatusOr<Metrics> Validate() override;
  absl::StatusOr<std::string> Finish(ReportData* report) override;

 private:
  absl::StatusOr<EvaluateResult> EvaluateOn(const Dataset& dataset);
  PredictFn Predictor();

  Config config_;
  Model model_;
  std::shared_ptr<const Dataset> val_;
  std::shared_ptr<const Dataset> report_;
  c10::Device device_;
};

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_TASK_H_
