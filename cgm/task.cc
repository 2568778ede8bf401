#include "cgm/task.h"

#include <ATen/ATen.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cgm/corruption.h"
#include "cgm/objective.h"
#include "common/base/log.h"

namespace seg {
namespace cgm {

CgmTask::CgmTask(const Config& config, Model model)
    : config_(config), model_(std::move(model)), watch_(config.collapse) {}

std::vector<Phase> CgmTask::Phases() {
  Phase phase;
  phase.name = "main";
  phase.groups.push_back({"all", model_->parameters()});
  return {std::move(phase)};
}

StepLoss CgmTask::Loss(int64_t /*phase*/, const Batch& batch, int64_t step) {
  const at::Tensor x =
      model_->Prepare(Corrupt(batch.images, config_.corruption));
  const Objective objective =
      ComputeObjective(model_, x, OneHot(batch.masks, model_->classes()));
  if (objective.kl.defined() && watch_.Update(objective.kl)) {
    LogWarning(
        absl::StrCat("step ", step + 1, ": ", watch_.Message(config_.model)));
  }
  return {objective.loss, objective.Logged()};
}

}  // namespace cgm
}  // namespace seg
