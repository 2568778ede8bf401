// What --resume may change of a run, and what it may not.
#ifndef COMMON_TRAINING_RESUME_H_
#define COMMON_TRAINING_RESUME_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/status_macros.h"
#include "common/config/config.h"
#include "common/config/config_file.h"
#include "common/datasets/dataset.h"
#include "common/training/checkpoint.h"
#include "common/training/train_config.h"
#include "nlohmann/json.hpp"

namespace seg {

// A resumed run goes on as it would have, to the bit on one device and number
// of threads. So the keys of its configuration stay, but for those that have no
// part in the updates (loading threads and cache, how often is logged,
// validated and saved, the report, eval.* and predict.*), and train.steps and
// train.epochs, which may grow: the run goes on for longer, and what is a
// function of the share that is done (train.schedule.type poly and step)
// follows the new length from here on. Any other change is a usage error that
// names the keys with their old and new values.
absl::Status CheckResumeChanges(const std::string& run,
                                const std::vector<ConfigChange>& changes);

// CheckResumeChanges of what `config` changes in the run's own configuration.
template <typename Config>
absl::Status CheckResumeConfig(const std::string& run, const Config& config) {
  Config saved;
  SEG_RETURN_IF_ERROR(LoadConfigFile({run + "/config.yaml"}, &saved));
  return CheckResumeChanges(
      run, ConfigChanges(nlohmann::json(saved), nlohmann::json(config)));
}

// The seed of `run`, which goes on with it. Usage error for another that the
// user wants.
absl::StatusOr<int64_t> ResumedSeed(const RunRef& run,
                                    std::optional<int64_t> wanted);

// That data of `info` with so many samples (0: batches that a function makes)
// are what `run` was trained on up to `state`. Usage error else.
absl::Status CheckResumeData(const std::string& run,
                             const CheckpointState& state,
                             const DatasetInfo& info, int64_t samples);

// Makes the files of `run` those of a run that has come to `step`: takes out of
// metrics.jsonl what was logged after it (it will be logged again), and writes
// `config_text` to config.yaml where it changes a key, which it logs.
// epoch_steps: updates in an epoch.
absl::Status ContinueRunFiles(const std::string& run, int64_t step,
                              const std::string& config_text,
                              const TrainConfig& config, int64_t epoch_steps);

}  // namespace seg

#endif  // COMMON_TRAINING_RESUME_H_
