// PAPER/results/*.json: what was measured here. Written by //tools:reproduce,
// never by hand; one file an experiment, named after it:
//
//   {"experiment": "full", "data": "weizmann_horse (random split)",
//    "split": "test", "config": "configs/weizmann_full.yaml",
//    "overrides": [], "eval_overrides": [],
//    "answers": [{"row": "weizmann/full", "metric": "/metrics/mean_iou",
//                 "scale": 100, "values": [84.1, 83.9, 84.2], "mean": 84.07,
//                 "sd": 0.153, "n": 3}],
//    "stands_in_for": [],
//    "runs": [{"seed": 0, "eval": {"metrics": {...}, ...},
//              "train_seconds": 1063.2, "eval_seconds": 14.1,
//              "interruptions": 0, "commit": "4f2c...",
//              "train_commit": "4f2c...", "dirty": false,
//              "date": "2026-01-31T12:00:00Z", "device": "cpu",
//              "hardware": {"cpu": "...", "cores": 2, "gpu": "none"},
//              "train_fingerprint": "...", "eval_fingerprint": "..."}]}
//
// Unknown or missing keys are errors that name file, place and remedy.
#ifndef COMMON_REPRODUCTION_RESULTS_H_
#define COMMON_REPRODUCTION_RESULTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace seg {

// A measured number for one reported row.
struct Answer {
  std::string row;
  std::string metric;          // JSON pointer into the output of eval --json
  double scale = 1;            // eval's number times this is in the row's unit
  std::vector<double> values;  // one a run, in the order of the runs
  double mean = 0, sd = 0;     // sd: n - 1 in the denominator, 0 for n = 1
};

struct Hardware {
  std::string cpu;
  int64_t cores = 0;
  std::string gpu = "none";
};

// One seed of one experiment.
struct MeasuredRun {
  int64_t seed = 0;
  nlohmann::json eval;  // what eval --json printed, whole
  double train_seconds = 0, eval_seconds = 0;
  int64_t interruptions = 0;  // times that training was taken up again
  std::string commit;         // at evaluation
  std::string train_commit;   // at training
  bool dirty = false;         // the tree had changes that no commit holds
  std::string date;           // UTC, 2026-01-31T12:00:00Z
  std::string device;         // "cpu", "cuda:0"
  Hardware hardware;
  std::string train_fingerprint, eval_fingerprint;  // see tools/reproduce
};

struct ExperimentResult {
  std::string experiment;
  std::string file;  // for messages
  std::string data;  // the data set really used
  std::string split;
  std::string config;  // path inside the paper's folder
  std::vector<std::string> overrides, eval_overrides;
  std::vector<Answer> answers;
  // Measured on other data than the row's: shown, used for claims on that
  // data, and no answer to the row.
  std::vector<Answer> stands_in_for;
  std::vector<MeasuredRun> runs;  // sorted by seed
};

absl::StatusOr<ExperimentResult> ParseResult(const std::string& json,
                                             const std::string& file);
// The same content always gives the same bytes.
std::string FormatResult(const ExperimentResult& result);
// All results in a folder, sorted by experiment; verdicts.json is passed over.
// A folder that does not exist holds none.
absl::StatusOr<std::vector<ExperimentResult>> ReadResults(
    const std::string& folder);

// Fills values, mean and sd of every answer from the runs. Error: a run
// without that number.
absl::Status FillAnswers(ExperimentResult* result);

// The number at a JSON pointer ("/metrics/mean_iou") in a run's eval output.
// Error: no such place, or no finite number there.
absl::StatusOr<double> EvalNumber(const MeasuredRun& run,
                                  const std::string& pointer);

}  // namespace seg

#endif  // COMMON_REPRODUCTION_RESULTS_H_
