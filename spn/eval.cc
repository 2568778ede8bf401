// Evaluates a trained run on a split: see README.md.
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/config/main.h"
#include "common/inference/run_eval.h"
#include "spn/restore.h"
#include "spn/task.h"

namespace {

absl::Status Eval(const seg::MainArgs& args) {
  SEG_ASSIGN_OR_RETURN(seg::spn::Restored restored, seg::spn::Restore(args));
  seg::EvalCommand command;
  command.run = restored.run;
  command.data = restored.config.data;
  command.classes = restored.config.eval.classes;
  command.config = restored.config;
  command.outputs = restored.model->OutputNames();
  command.predict = [&](const seg::Batch& batch) {
    return restored.model->Predict(batch);
  };
  command.report_pictures = restored.config.report_pictures;
  command.extend = [&](const seg::Dataset& /*dataset*/,
                       const seg::EvaluateResult& result,
                       seg::EvalOutput* output) {
    output->json["parameters"] = seg::CountParameters(*restored.model);
    seg::spn::AddPartScores(result, &output->json);
    const std::string parts = seg::spn::PartTable(result);
    if (!parts.empty()) absl::StrAppend(&output->table, "\n", parts);
    return absl::OkStatus();
  };
  return seg::RunEval(args, command);
}

}  // namespace

int main(int argc, char** argv) {
  return seg::RunMain(argc, argv, seg::Command::kEval, "spn", Eval);
}
