// A paper's configuration, trained and measured as the commands do it.
#ifndef COMMON_TESTING_TRAIN_AND_EVALUATE_H_
#define COMMON_TESTING_TRAIN_AND_EVALUATE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/app/main.h"
#include "common/app/restore.h"
#include "common/app/train.h"
#include "common/base/status_macros.h"
#include "common/datasets/open.h"
#include "common/evaluation/evaluate.h"

namespace seg {

// Trains configuration file `config` with overrides on the CPU, seed 0, into
// the new folder `work_dir`, and opens its best checkpoint.
template <class P>
absl::StatusOr<Restored<P>> TrainAndRestore(
    const std::string& config, const std::vector<std::string>& overrides,
    const std::string& work_dir) {
  MainArgs args;
  args.paper = P::kName;
  args.device = "cpu";
  args.config = config;
  args.overrides = overrides;
  args.work_dir = work_dir;
  SEG_RETURN_IF_ERROR(RunTrain<P>(args));
  args.config.clear();
  args.overrides.clear();
  args.checkpoint = work_dir;
  return Restore<P>(args, Command::kEval);
}

// What eval finds of it on a split.
template <class P>
absl::StatusOr<Findings> EvaluateOn(Restored<P>& restored,
                                    const std::string& split) {
  const auto open = [&](const std::string& name) {
    return OpenFilledDataset(restored.config.data, "", name, P::kTrainsOnMasks);
  };
  SEG_ASSIGN_OR_RETURN(const auto dataset, open(split));
  P::TakeSplits(restored.config, *restored.system, split, open);
  return Evaluate(*dataset, *restored.predictor,
                  P::MakeMeasures(restored.config, *restored.system,
                                  dataset->info(), Moment::kEval),
                  {});
}

}  // namespace seg

#endif  // COMMON_TESTING_TRAIN_AND_EVALUATE_H_
