#include "cgm/task.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cgm/corruption.h"
#include "cgm/objective.h"
#include "cgm/score_table.h"
#include "common/base/status_macros.h"

namespace seg {
namespace cgm {

CgmTask::CgmTask(const Config& config, Model model,
                 EvaluatedTaskOptions options)
    : EvaluatedTask(std::move(options)),
      config_(config),
      model_(std::move(model)),
      predictor_({model_}, config.inference) {}

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
      config_.model.noisy_layer == "off"
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

absl::StatusOr<Metrics> CgmTask::Measure(const Dataset& dataset) {
  SEG_ASSIGN_OR_RETURN(
      const std::vector<PathScores> paths,
      ScorePaths(
          dataset, [this](const Batch& batch) { return Predict(batch); },
          OutputNames(), config_.evaluation.foreground, options().device));
  Metrics metrics;
  for (size_t i = 0; i < paths.size(); ++i) {
    const std::string prefix = i == 0 ? "" : paths[i].name + "_";
    metrics[prefix + "pixel_accuracy"] = paths[i].pixel_accuracy;
    metrics[prefix + "image_iou"] = paths[i].image_iou;
  }
  return metrics;
}

std::vector<at::Tensor> CgmTask::Predict(const Batch& batch) {
  return predictor_.Predict(batch);
}

std::vector<std::string> CgmTask::OutputNames() const {
  return predictor_.Names();
}

absl::Status CgmTask::AddToTable(const EvaluateResult& /*result*/,
                                 std::string* table) {
  if (!config_.evaluation.generative) return absl::OkStatus();
  SEG_ASSIGN_OR_RETURN(
      const GenerativeScores scores,
      ScoreGenerative(*options().report, model_, config_, options().device));
  SEG_ASSIGN_OR_RETURN(
      const std::vector<PathScores> paths,
      ScorePaths(
          *options().report,
          [this](const Batch& batch) { return Predict(batch); }, OutputNames(),
          config_.evaluation.foreground, options().device));
  absl::StrAppend(table, "\n", ScoreTable(paths, scores));
  return absl::OkStatus();
}

}  // namespace cgm
}  // namespace seg
