#include "spn/task.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/losses/cross_entropy.h"
#include "spn/part_scores.h"
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

SpnTask::SpnTask(const Config& config, Model model,
                 EvaluatedTaskOptions options)
    : EvaluatedTask(std::move(options)),
      config_(config),
      model_(std::move(model)) {}

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
  options.ignore_label = this->options().val->info().ignore_label;
  return CrossEntropy(
      scores, ShrinkLabels(masks, scores.size(2), scores.size(3)), options);
}

at::Tensor SpnTask::RefinementLoss(const Batch& batch,
                                   const at::Tensor& coarse) {
  CrossEntropyOptions options;
  options.ignore_label = this->options().val->info().ignore_label;
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

StepLoss SpnTask::Loss(int64_t /*phase*/, const Batch& batch,
                       int64_t /*step*/) {
  const bool trains_parser =
      model_->has_parser() && config_.groups.coarse_lr > 0;
  if (!model_->refines()) {
    TORCH_CHECK(trains_parser, "nothing to train: refine.type is ",
                EnumName(config_.refine.type),
                " and there is no parser that learns");
    return {ParserLoss(model_->ParserScores(batch.images), batch.masks), {}};
  }
  if (!trains_parser) {
    model_->EvalParser();
    at::Tensor coarse;
    {
      const c10::AutoGradMode off(false);
      coarse = model_->Coarse(batch);
    }
    return {RefinementLoss(batch, coarse), {}};
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

std::vector<at::Tensor> SpnTask::Predict(const Batch& batch) {
  return model_->Predict(batch);
}

std::vector<std::string> SpnTask::OutputNames() const {
  return model_->OutputNames();
}

void SpnTask::AddMetrics(const EvaluateResult& result, Metrics* metrics) {
  for (size_t i = 0; i < result.outputs.size(); ++i) {
    const OutputResult& output = result.outputs[i];
    const auto parts = PartScores(output.confusion, result.info.class_names);
    if (parts.empty()) return;
    (*metrics)[i == 0 ? "overall_f" : output.name + "_overall_f"] =
        parts.back().second;
  }
}

absl::Status SpnTask::AddToTable(const EvaluateResult& result,
                                 std::string* table) {
  const std::string parts = PartTable(result);
  if (!parts.empty()) absl::StrAppend(table, "\n", parts);
  return absl::OkStatus();
}

std::string PartTable(const EvaluateResult& result) {
  std::string table;
  for (const OutputResult& output : result.outputs) {
    const auto parts = PartScores(output.confusion, result.info.class_names);
    if (parts.empty()) return "";
    if (table.empty()) {
      table = absl::StrFormat("%-12s", "F-measure");
      for (const auto& [name, f] : parts) {
        absl::StrAppendFormat(&table, "%10s", name);
      }
    }
    absl::StrAppendFormat(&table, "\n%-12s", output.name);
    for (const auto& [name, f] : parts) {
      absl::StrAppendFormat(&table, "%10.2f", 100 * f);
    }
  }
  return table;
}

void AddPartScores(const EvaluateResult& result, nlohmann::json* json) {
  for (size_t i = 0; i < result.outputs.size(); ++i) {
    const OutputResult& output = result.outputs[i];
    const std::string key = i == 0 ? "part_f" : output.name + "/part_f";
    for (const auto& [name, f] :
         PartScores(output.confusion, result.info.class_names)) {
      (*json)[key][name] = f;
    }
  }
}

}  // namespace spn
}  // namespace seg
