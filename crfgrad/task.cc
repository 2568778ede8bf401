#include "crfgrad/task.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>
#include <vector>

#include "common/losses/cross_entropy.h"
#include "torch/nn/modules/batchnorm.h"

namespace seg {
namespace crfgrad {

CrfGradTask::CrfGradTask(const Config& config, Model model,
                         int64_t ignore_label)
    : config_(config), model_(std::move(model)), ignore_label_(ignore_label) {}

std::vector<Phase> CrfGradTask::Phases() {
  const GroupConfig& groups = config_.groups;
  Phase phase;
  phase.name = "main";
  if (model_->has_fcn()) {
    phase.groups.push_back(
        {"backbone", model_->fcn()->backbone_parameters(), groups.backbone_lr});
    phase.groups.push_back(
        {"head", model_->fcn()->head_parameters(), groups.head_lr});
  }
  if (model_->has_crf()) {
    phase.groups.push_back({"crf", model_->crf_parameters(), groups.crf_lr,
                            groups.crf_weight_decay});
  }
  return {std::move(phase)};
}

bool CrfGradTask::WithCrf(int64_t step) const {
  return model_->has_crf() &&
         (!model_->has_fcn() || step >= config_.loss.unary_steps);
}

void CrfGradTask::SetTraining(int64_t step) {
  model_->train();
  if (!model_->has_fcn()) return;
  if (WithCrf(step) && config_.model.freeze_fcn) Freeze(*model_->fcn());
  if (config_.model.freeze_batch_norm) {
    for (const auto& module : model_->fcn()->modules()) {
      if (auto* norm = module->as<torch::nn::BatchNorm2d>()) norm->eval();
    }
  }
}

at::Tensor CrfGradTask::CrfLoss(const at::Tensor& scores, const Batch& batch) {
  CrossEntropyOptions options;
  options.ignore_label = ignore_label_;
  if (config_.model.inference == Inference::kCrfRnn) {
    options.input = CrossEntropyInput::kLogProbabilities;
    return CrossEntropy(model_->LogCrfRnn(scores, batch.images), batch.masks,
                        options);
  }
  if (config_.loss.type == LossType::kNll) {
    options.input = CrossEntropyInput::kProbabilities;
    options.epsilon = config_.loss.epsilon;
  }
  return CrossEntropy(model_->Crf(scores, batch.images), batch.masks, options);
}

StepLoss CrfGradTask::Loss(int64_t /*phase*/, const Batch& batch,
                           int64_t step) {
  CrossEntropyOptions options;
  options.ignore_label = ignore_label_;
  const at::Tensor scores = model_->Unary(batch);
  if (!WithCrf(step)) return {CrossEntropy(scores, batch.masks, options), {}};

  StepLoss step_loss;
  step_loss.loss = CrfLoss(scores, batch);
  step_loss.logged.emplace_back("crf_loss", step_loss.loss.detach());
  if (model_->has_fcn() && config_.loss.unary > 0) {
    const at::Tensor unary = CrossEntropy(scores, batch.masks, options);
    step_loss.loss = step_loss.loss + config_.loss.unary * unary;
    step_loss.logged.emplace_back("unary_loss", unary.detach());
  }
  return step_loss;
}

}  // namespace crfgrad
}  // namespace seg
