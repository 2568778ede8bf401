// What a training is told beside its configuration.
#ifndef COMMON_TRAINING_RUN_OPTIONS_H_
#define COMMON_TRAINING_RUN_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "c10/core/Device.h"

namespace seg {

struct RunOptions {
  std::string paper;         // new runs lie in runs/PAPER; the report's title
  std::string name = "run";  // of the configuration, see work_dir
  // The folder of the run. "" for a new one: runs/PAPER/NAME-TIME.
  std::string work_dir;
  bool resume = false;    // continue the run in work_dir
  std::string init_from;  // a run or weight file whose weights are the start
  bool dry_run = false;
  // Nothing goes to stdout: a training that is a step of a larger program.
  bool silent = false;
  int64_t seed = 0;  // of every random choice; a resumed run's is its own
  c10::Device device = c10::kCPU;
  std::vector<std::string> overrides;  // for the record (env.json)
};

}  // namespace seg

#endif  // COMMON_TRAINING_RUN_OPTIONS_H_
