#include "cgm/task.h"

#include <ATen/ATen.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cgm/corruption.h"
#include "cgm/objective.h"

namespace seg {
namespace cgm {

CgmTask::CgmTask(const Config& config, Model model)
    : config_(config), model_(std::move(model)) {}

std::vector<Phase> CgmTask::Phases() {
  Phase phase;
  phase.name = "main";
  phase.groups.push_back({"all", model_->parameters()});
  return {std::move(phase)};
}

std::vector<ScalarBound> CgmTask::Bounds() {
  if (!model_->has_recognition()) return {};
  ScalarBound kl;
  kl.name = "kl";
  kl.bound = config_.collapse.kl;
  kl.updates = config_.collapse.updates;
  kl.message = absl::StrCat(
      "KL(q||p) stayed below ", kl.bound, " nat for ", kl.updates,
      " updates: the latent carries nothing and the model is its CNN; ",
      config_.model.noisy_layer == NoisyLayer::kOff
          ? "train with model.noisy_layer=on, the authors' Gaussian layer 4"
          : "model.noisy_layer is on already: train longer, raise "
            "corruption.max_side, or take another --seed");
  return {std::move(kl)};
}

StepLoss CgmTask::Loss(int64_t /*phase*/, const Batch& batch,
                       int64_t /*step*/) {
  const at::Tensor x =
      model_->Prepare(Corrupt(batch.images, config_.corruption));
  const Objective objective =
      ComputeObjective(model_, x, OneHot(batch.masks, model_->classes()));
  return {objective.loss, objective.Logged()};
}

}  // namespace cgm
}  // namespace seg
