// CGM as the Trainer sees it: the objective on corrupted images, validation by
// deterministic inference, and a watch on the latent.
#ifndef CGM_TASK_H_
#define CGM_TASK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cgm/config.h"
#include "cgm/evaluation.h"
#include "cgm/inference.h"
#include "cgm/model.h"
#include "common/inference/evaluated_task.h"

namespace seg {
namespace cgm {

class CgmTask : public EvaluatedTask {
 public:
  CgmTask(const Config& config, Model model, EvaluatedTaskOptions options);

  torch::nn::Module& module() override { return *model_; }
  std::vector<Phase> Phases() override;
  // The KL that vanishes (config.collapse): the recognition network then says
  // nothing that the prior does not, and the model is its CNN.
  std::vector<ScalarBound> Bounds() override;
  // Logged: cross_entropy and kl (nats an image), sigma_p, sigma_q,
  // latents_in_use.
  StepLoss Loss(int64_t phase, const Batch& batch, int64_t step) override;

 protected:
  // "pixel_accuracy" and "image_iou" of the first output, "PATH_..." of the
  // others. The paper selects by the first.
  absl::StatusOr<Metrics> Measure(const Dataset& dataset) override;
  std::vector<at::Tensor> Predict(const Batch& batch) override;
  std::vector<std::string> OutputNames() const override;
  absl::Status AddToTable(const EvaluateResult& result,
                          std::string* table) override;

 private:
  Config config_;
  Model model_;
  Predictor predictor_;
};

}  // namespace cgm
}  // namespace seg

#endif  // CGM_TASK_H_
