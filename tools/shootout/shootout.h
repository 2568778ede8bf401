// The work of //tools:shootout: ways to refine a segmentation, on the same
// probabilities, with one budget.
//
//   WORK_DIR/NAME/setting-K/        run of `train`, one a setting of the grid
//   WORK_DIR/NAME/seed-N/           runs with the best setting, further seeds
//   WORK_DIR/NAME/*.json            what `eval` printed
//   WORK_DIR/shootout.json, report.html, accuracy.svg, table.md
//
// A step whose command ended well before, on the same probabilities and
// configuration, is not repeated, so the same call goes on after an
// interruption.
#ifndef TOOLS_SHOOTOUT_SHOOTOUT_H_
#define TOOLS_SHOOTOUT_SHOOTOUT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "tools/shootout/refiners.h"
#include "tools/tune/tune.h"

namespace seg {

struct ShootoutOptions {
  std::vector<Refiner> refiners;
  std::string configs_dir;  // Refiner::config is relative to it
  // PAPER, program ("train", "eval") -> its path.
  std::function<std::string(const std::string&, const std::string&)> program;
  std::string runfiles_dir;   // given to them as RUNFILES_DIR; may be empty
  std::string probabilities;  // folder: common/datasets/probabilities.h
  std::string proposals;      // for the refiners of proposals; "": none
  std::string work_dir;       // exists
  // key.path=value for each `train`: the data.
  std::vector<std::string> data;
  std::string data_root;                     // passed on where not empty
  std::string device;                        // to train on; the same
  int64_t steps = 300;                       // updates of each learned refiner
  std::vector<int64_t> seeds;                // the grid is tried with the first
  std::string metric = "/metrics/mean_iou";  // chosen by it, on val
  std::string split = "test";
};

// What one refiner gives.
struct Shot {
  Refiner refiner;
  std::vector<Setting> settings;     // of the grid, value on val
  std::vector<std::string> chosen;   // overrides: the refiner's and the grid's
  std::vector<nlohmann::json> eval;  // of `split`, one a seed
  double ms_one_thread = 0, ms_two_threads = 0;  // an image, first seed
  int64_t peak_mib = 0;      // of the evaluation's process, the same
  int64_t parameters = 0;    // learned ones
  double train_seconds = 0;  // first seed, the chosen setting
};

// Shots in the order of the refiners; without proposals those that need them
// are left out. Errors: kInvalidArgument where a program
// calls its usage wrong, kCancelled when interrupted, else what failed.
absl::StatusOr<std::vector<Shot>> RunShootout(const ShootoutOptions& options);

}  // namespace seg

#endif  // TOOLS_SHOOTOUT_SHOOTOUT_H_
