// Evaluates a trained run on a split: see README.md.
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/config/main.h"
#include "common/inference/run_eval.h"
#include "crfgrad/convergence.h"
#include "crfgrad/restore.h"

namespace {

absl::Status Eval(const seg::MainArgs& args) {
  SEG_ASSIGN_OR_RETURN(seg::crfgrad::Restored restored,
                       seg::crfgrad::Restore(args));
  seg::EvalCommand command;
  command.run = restored.run;
  command.data = restored.config.data;
  command.classes = restored.config.eval.classes;
  command.config = restored.config;
  command.outputs = restored.model->OutputNames();
  command.predict = [&](const seg::Batch& batch) {
    return restored.model->Predict(batch.images);
  };
  command.report_pictures = restored.config.report_pictures;
  if (restored.config.eval.convergence) {
    command.extend = [&](const seg::Dataset& dataset,
                         const seg::EvaluateResult& /*result*/,
                         seg::EvalOutput* output) -> absl::Status {
      SEG_ASSIGN_OR_RETURN(
          const seg::crfgrad::Convergence convergence,
          seg::crfgrad::MeasureConvergence(
              dataset, restored.config, restored.model, restored.run.device));
      output->json["convergence"] = seg::crfgrad::ToJson(convergence);
      absl::StrAppend(&output->table, "\n", seg::crfgrad::ToTable(convergence));
      seg::crfgrad::AddCharts(convergence, &output->report);
      return absl::OkStatus();
    };
  }
  return seg::RunEval(args, command);
}

}  // namespace

int main(int argc, char** argv) {
  return seg::RunMain(argc, argv, seg::Command::kEval, "crfgrad", Eval);
}
