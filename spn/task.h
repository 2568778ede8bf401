// SPN as the Trainer sees it: losses and parameter groups.
#ifndef SPN_TASK_H_
#define SPN_TASK_H_

#include <cstdint>
#include <vector>

#include "common/training/task.h"
#include "spn/config.h"
#include "spn/model.h"

namespace seg {
namespace spn {

class SpnTask : public Task {
 public:
  // ignore_label: of the training masks.
  SpnTask(const Config& config, Model model, int64_t ignore_label = 255);

  torch::nn::Module& module() override { return *model_; }
  std::vector<Phase> Phases() override;
  // A parser that the refinement does not train is frozen.
  void SetTraining(int64_t step) override;
  // The parser's cross-entropy at its own resolution; the refinement's on
  // random squares of the images; their weighted sum when both train.
  StepLoss Loss(int64_t phase, const Batch& batch, int64_t step) override;

 private:
  bool TrainsParser() const;
  at::Tensor ParserLoss(const at::Tensor& scores, const at::Tensor& masks);
  at::Tensor RefinementLoss(const Batch& batch, const at::Tensor& coarse);

  Config config_;
  Model model_;
  int64_t ignore_label_;
};

}  // namespace spn
}  // namespace seg

#endif  // SPN_TASK_H_
