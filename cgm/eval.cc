// Evaluates a trained run on a split: see README.md.
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cgm/evaluation.h"
#include "cgm/inference.h"
#include "cgm/restore.h"
#include "cgm/score_table.h"
#include "common/base/status_macros.h"
#include "common/config/main.h"
#include "common/inference/run_eval.h"

namespace {

absl::Status Eval(const seg::MainArgs& args) {
  SEG_ASSIGN_OR_RETURN(seg::cgm::Restored restored, seg::cgm::Restore(args));
  const seg::cgm::Config& config = restored.config;
  seg::cgm::Predictor predictor(restored.models, config.inference);
  seg::EvalCommand command;
  command.run = restored.run;
  command.data = config.data;
  command.classes = config.eval.classes;
  command.config = config;
  command.outputs = predictor.Names();
  command.predict = [&](const seg::Batch& batch) {
    return predictor.Predict(batch);
  };
  command.report_pictures = config.report_pictures;
  command.extend = [&](const seg::Dataset& dataset,
                       const seg::EvaluateResult& /*result*/,
                       seg::EvalOutput* output) -> absl::Status {
    output->json["parameters"] = seg::CountParameters(*predictor.model());
    SEG_ASSIGN_OR_RETURN(
        const std::vector<seg::cgm::PathScores> paths,
        seg::cgm::ScorePaths(dataset, command.predict, command.outputs,
                             config.evaluation.foreground,
                             restored.run.device));
    SEG_ASSIGN_OR_RETURN(
        const seg::cgm::GenerativeScores scores,
        seg::cgm::ScoreGenerative(dataset, predictor.model(), config,
                                  restored.run.device));
    seg::cgm::AddScores(paths, scores, &output->json);
    absl::StrAppend(&output->table, "\n", seg::cgm::ScoreTable(paths, scores));
    return absl::OkStatus();
  };
  return seg::RunEval(args, command);
}

}  // namespace

int main(int argc, char** argv) {
  return seg::RunMain(argc, argv, seg::Command::kEval, "cgm", Eval);
}
