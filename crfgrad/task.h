// CRF-Grad as the Trainer sees it: losses and parameter groups.
#ifndef CRFGRAD_TASK_H_
#define CRFGRAD_TASK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/inference/evaluated_task.h"
#include "crfgrad/config.h"
#include "crfgrad/model.h"

namespace seg {
namespace crfgrad {

class CrfGradTask : public EvaluatedTask {
 public:
  CrfGradTask(const Config& config, Model model, EvaluatedTaskOptions options);

  torch::nn::Module& module() override { return *model_; }
  std::vector<Phase> Phases() override;
  // The FCN freezes when the CRF joins, where model.freeze_fcn says so.
  void SetTraining(int64_t step) override;
  StepLoss Loss(int64_t phase, const Batch& batch, int64_t step) override;

 protected:
  std::vector<at::Tensor> Predict(const Batch& batch) override;
  std::vector<std::string> OutputNames() const override;

 private:
  bool WithCrf(int64_t step) const;

  Config config_;
  Model model_;
};

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_TASK_H_
