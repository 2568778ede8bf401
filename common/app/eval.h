// The eval command of every paper (paper.h): a run and a split in; a table or
// JSON, and a report, out. To what the measures find, the JSON adds "data",
// "images", "ms_per_image", "device" ("cpu", "cuda:0"), "parameters" (numbers
// in the model) and "training_peak_mib" of the run, where it is known.
#ifndef COMMON_APP_EVAL_H_
#define COMMON_APP_EVAL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/app/main.h"
#include "common/app/restore.h"
#include "common/base/status_macros.h"
#include "common/datasets/data_config.h"
#include "common/datasets/open.h"
#include "common/evaluation/evaluate.h"
#include "common/training/checkpoint.h"
#include "common/training/restore.h"
#include "nlohmann/json.hpp"
#include "torch/nn/module.h"

namespace seg {

struct EvalCommand {
  TrainedRun run;
  DataConfig data;
  std::string classes = "by_name";  // eval.classes: see same_classes.h
  bool needs_masks = true;          // P::kTrainsOnMasks
  bool own_classes = false;         // P::OutputClasses: data may have any
  nlohmann::json config;            // resolved, for the report
  int64_t parameters = 0;
  Predictor* predictor = nullptr;
  std::function<Measures(const DatasetInfo& info)> measures;
};

// Largest resident memory of the run's training, in MiB, as its metrics.jsonl
// says; -1 where there is none.
int64_t TrainingPeakMib(const RunRef& run);

// Numbers in all parameters of a network.
int64_t CountParameters(const torch::nn::Module& module);

// The split that --split names. Errors of usage: one that the data does not
// have (the message names those that it has), and data of other classes than
// the run's. Of `command` it reads run, data, classes, needs_masks and
// own_classes.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenEvaluated(
    const MainArgs& args, const EvalCommand& command);

// Evaluates on --split; prints the table, or one JSON object with --json;
// writes OUT/report.html with --out, a folder that is made where it is missing.
absl::Status RunEval(const MainArgs& args, const EvalCommand& command);

template <class P>
absl::Status RunPaperEval(const MainArgs& args) {
  SEG_ASSIGN_OR_RETURN(Restored<P> restored, Restore<P>(args, Command::kEval));
  P::TakeSplits(restored.config, *restored.system, args.split,
                [&](const std::string& split) {
                  return OpenFilledDataset(restored.config.data, args.data_root,
                                           split, P::kTrainsOnMasks);
                });
  EvalCommand command;
  command.run = restored.run;
  command.data = restored.config.data;
  command.classes = restored.config.eval.classes;
  command.needs_masks = P::kTrainsOnMasks;
  command.own_classes = restored.own_classes;
  command.config = restored.config;
  command.parameters = CountParameters(*restored.models[0]);
  command.predictor = restored.predictor.get();
  command.measures = [&](const DatasetInfo& info) {
    return P::MakeMeasures(restored.config, *restored.system, info,
                           Moment::kEval);
  };
  return RunEval(args, command);
}

template <class P>
int EvalMain(int argc, char** argv) {
  return RunMain(argc, argv, Command::kEval, P::kName, RunPaperEval<P>);
}

}  // namespace seg

#endif  // COMMON_APP_EVAL_H_
