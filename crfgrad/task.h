// CRF-Grad as the Trainer sees it: losses and parameter groups.
#ifndef CRFGRAD_TASK_H_
#define CRFGRAD_TASK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/training/task.h"
#include "crfgrad/config.h"
#include "crfgrad/model.h"

namespace seg {
namespace crfgrad {

class CrfGradTask : public Task {
 public:
  // ignore_label: of the training masks.
  CrfGradTask(const Config& config, Model model, int64_t ignore_label = 255);

  torch::nn::Module& module() override { return *model_; }
  std::vector<Phase> Phases() override;
  // The FCN freezes when the CRF joins, where model.freeze_fcn says so.
  void SetTraining(int64_t step) override;
  StepLoss Loss(int64_t phase, const Batch& batch, int64_t step) override;

 private:
  bool WithCrf(int64_t step) const;
  // Of what the CRF makes of the unary's scores.
  at::Tensor CrfLoss(const at::Tensor& scores, const Batch& batch);

  Config config_;
  Model model_;
  int64_t ignore_label_;
};

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_TASK_H_
