// The work of //tools:tune: the best of a grid of settings for a trained run,
// by evaluating it once with each.
#ifndef TOOLS_TUNE_TUNE_H_
#define TOOLS_TUNE_TUNE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"

namespace seg {

struct TuneOptions {
  std::string eval_binary;   // the paper's
  std::string runfiles_dir;  // given to it as RUNFILES_DIR; may be empty
  // key.path=value; a key that occurs more than once is tried with each of its
  // values, the others are the same in every setting.
  std::vector<std::string> overrides;
  std::string metric = "/metrics/mean_iou";  // JSON pointer into eval --json
  bool lowest = false;                       // whether a low number is good
  std::string split = "val";
  std::string checkpoint, data_root, device;  // passed on where not empty
  int64_t threads = 0;                        // passed on where not 0
};

struct Setting {
  std::vector<std::string> overrides;
  double value = 0;  // NaN where eval printed none
};

// Every combination of the values; the last key changes fastest. Errors
// (kInvalidArgument): no key.path=value, no key with two values, a value twice.
absl::StatusOr<std::vector<std::vector<std::string>>> Grid(
    const std::vector<std::string>& overrides);

// kInvalidArgument unless `metric` is a JSON pointer.
absl::Status CheckMetric(const std::string& metric);

// The number at `metric` in what `eval --json` printed; NaN for null. Errors
// (kInvalidArgument): no such number (the message names those that there are).
absl::StatusOr<double> MetricOf(const nlohmann::json& printed,
                                const std::string& metric);

// All settings, the best one last (equal ones in the order of the grid, those
// without a number first). Errors: kInvalidArgument where Grid refuses, where
// eval calls its usage wrong, and where eval prints no `metric` (the message
// names those that it prints); kCancelled where a signal ended it; else what
// failed. Progress goes to the log.
absl::StatusOr<std::vector<Setting>> Tune(const TuneOptions& options);

}  // namespace seg

#endif  // TOOLS_TUNE_TUNE_H_
