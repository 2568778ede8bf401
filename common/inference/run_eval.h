// The eval command of every paper: a run and a split in; a table or JSON, and a
// report, out. To what ToJson(EvaluateResult) gives, the JSON adds "device"
// ("cpu", "cuda:0") and "training_peak_mib" of the run.
#ifndef COMMON_INFERENCE_RUN_EVAL_H_
#define COMMON_INFERENCE_RUN_EVAL_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/config/main.h"
#include "common/datasets/data_config.h"
#include "common/inference/evaluate.h"
#include "common/reporting/report.h"
#include "common/training/restore.h"
#include "nlohmann/json.hpp"
#include "torch/nn/module.h"

namespace seg {

// What eval gives; a paper may add to each.
struct EvalOutput {
  nlohmann::json json;  // --json
  std::string table;    // otherwise
  ReportData report;    // --out
};

struct EvalCommand {
  RestoredRun run;
  DataConfig data;
  std::string classes = "by_name";   // eval.classes: see same_classes.h
  nlohmann::json config;             // resolved, for the report
  std::vector<std::string> outputs;  // names, in the order of `predict`
  PredictFn predict;
  int64_t report_pictures = 5;
  // Called once with the result. May be empty.
  std::function<absl::Status(const Dataset& dataset,
                             const EvaluateResult& result, EvalOutput* output)>
      extend;
};

// Largest resident memory of the training that left the checkpoint, in MiB, as
// its metrics.jsonl says; -1 where there is none.
int64_t TrainingPeakMib(const std::string& checkpoint);

// Numbers in all parameters of a network, what eval prints as "parameters".
int64_t CountParameters(const torch::nn::Module& module);

// Evaluates on --split; prints the table, or one JSON object with --json;
// writes OUT/report.html with --out, a folder that is made where it is missing.
// Errors of usage: a split that the data does not have (the message names those
// that it has), and data of other classes than the run's.
absl::Status RunEval(const MainArgs& args, const EvalCommand& command);

}  // namespace seg

#endif  // COMMON_INFERENCE_RUN_EVAL_H_
