// CGM as the Trainer sees it: the objective on corrupted images, and a watch on
// the latent.
#ifndef CGM_TASK_H_
#define CGM_TASK_H_

#include <cstdint>
#include <vector>

#include "cgm/config.h"
#include "cgm/model.h"
#include "common/training/task.h"

namespace seg {
namespace cgm {

class CgmTask : public Task {
 public:
  CgmTask(const Config& config, Model model);

  torch::nn::Module& module() override { return *model_; }
  std::vector<Phase> Phases() override;
  // The KL that vanishes (config.collapse): the recognition network then says
  // nothing that the prior does not, and the model is its CNN.
  std::vector<ScalarBound> Bounds() override;
  // Logged: cross_entropy and kl (nats an image), sigma_p, sigma_q,
  // latents_in_use.
  StepLoss Loss(int64_t phase, const Batch& batch, int64_t step) override;

 private:
  Config config_;
  Model model_;
};

}  // namespace cgm
}  // namespace seg

#endif  // CGM_TASK_H_
