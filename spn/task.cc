#include "spn/task.h"

#include <ATen/ATen.h>

#include <utility>
#include <vector>

#include "common/losses/cross_entropy.h"
#include "spn/patches.h"

namespace seg {
namespace spn {
namespace {

// Labels at height x width: the pixel below each centre.
at::Tensor ShrinkLabels(const at::Tensor& masks, int64_t height,
                        int64_t width) {
  const auto centres = [&](int64_t size, int64_t target) {
    return ((at::arange(target, masks.options()) * 2 + 1) * size)
        .div(2 * target, "floor");
  };
  return masks.index_select(1, centres(masks.size(1), height))
      .index_select(2, centres(masks.size(2), width));
}

}  // namespace

SpnTask::SpnTask(const Config& config, Model model, int64_t ignore_label)
    : config_(config), model_(std::move(model)), ignore_label_(ignore_label) {}

std::vector<Phase> SpnTask::Phases() {
  const GroupConfig& groups = config_.groups;
  Phase phase;
  phase.name = "main";
  const auto add = [&](const char* name, std::vector<at::Tensor> parameters,
                       double lr) {
    if (!parameters.empty()) {
      phase.groups.push_back({name, std::move(parameters), lr});
    }
  };
  add("coarse", model_->coarse_parameters(), groups.coarse_lr);
  add("guidance", model_->guidance_parameters(), groups.guidance_lr);
  add("guidance_backbone", model_->guidance_backbone_parameters(),
      groups.guidance_backbone_lr);
  add("head", model_->head_parameters(), groups.head_lr);
  return {std::move(phase)};
}

at::Tensor SpnTask::ParserLoss(const at::Tensor& scores,
                               const at::Tensor& masks) {
  CrossEntropyOptions options;
  options.ignore_label = ignore_label_;
  return CrossEntropy(
      scores, ShrinkLabels(masks, scores.size(2), scores.size(3)), options);
}

at::Tensor SpnTask::RefinementLoss(const Batch& batch,
                                   const at::Tensor& coarse) {
  CrossEntropyOptions options;
  options.ignore_label = ignore_label_;
  at::Tensor images = batch.images;
  at::Tensor maps = coarse;
  at::Tensor masks = batch.masks;
  if (config_.patch.size > 0) {
    const std::vector<Patch> patches =
        DrawPatches(masks.to(at::kCPU), config_.patch, options.ignore_label);
    images = CutPatches(images, patches, config_.patch.size);
    maps = CutPatches(maps, patches, config_.patch.size);
    masks = CutPatches(masks, patches, config_.patch.size);
  }
  const bool sum = config_.loss.reduction == Reduction::kSum;
  if (sum) options.reduction = CrossEntropyReduction::kSum;
  const at::Tensor loss =
      CrossEntropy(model_->Refine(images, maps), masks, options);
  return sum ? loss / static_cast<double>(images.size(0)) : loss;
}

bool SpnTask::TrainsParser() const {
  return model_->has_parser() && config_.groups.coarse_lr > 0;
}

void SpnTask::SetTraining(int64_t /*step*/) {
  model_->train();
  torch::nn::Module* parser = model_->parser();
  if (parser != nullptr && model_->refines() && !TrainsParser()) {
    Freeze(*parser);
  }
}

StepLoss SpnTask::Loss(int64_t /*phase*/, const Batch& batch,
                       int64_t /*step*/) {
  if (!model_->refines()) {
    TORCH_CHECK(TrainsParser(), "nothing to train: refine.type is ",
                EnumName(config_.refine.type),
                " and there is no parser that learns");
    return {ParserLoss(model_->ParserScores(batch.images), batch.masks), {}};
  }
  if (!TrainsParser()) {
    return {RefinementLoss(batch, model_->Coarse(batch)), {}};
  }
  const at::Tensor scores = model_->ParserScores(batch.images);
  const at::Tensor coarse_loss = ParserLoss(scores, batch.masks);
  const at::Tensor refined_loss = RefinementLoss(
      batch, model_->CoarseFromScores(scores, batch.images.size(2),
                                      batch.images.size(3)));
  return {refined_loss + config_.loss.coarse * coarse_loss,
          {{"refined_loss", refined_loss.detach()},
           {"coarse_loss", coarse_loss.detach()}}};
}

}  // namespace spn
}  // namespace seg
