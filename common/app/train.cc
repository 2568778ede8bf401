#include "common/app/train.h"

#include <ATen/Utils.h>

#include "common/datasets/label_census.h"
#include "common/datasets/open.h"
#include "torch/utils.h"

namespace seg {

absl::StatusOr<TrainingSets> OpenTrainingSets(const DataConfig& train_data,
                                              const DataConfig& data,
                                              const std::string& report_split,
                                              const std::string& data_root,
                                              bool needs_masks) {
  const auto open = [&](const DataConfig& config, const std::string& split) {
    return OpenFilledDataset(config, data_root, split, needs_masks);
  };
  TrainingSets sets;
  SEG_ASSIGN_OR_RETURN(sets.train, open(train_data, "train"));
  SEG_ASSIGN_OR_RETURN(sets.val, open(data, "val"));
  sets.report = sets.val;
  if (report_split != "val") {
    SEG_ASSIGN_OR_RETURN(sets.report, open(data, report_split));
  }
  if (needs_masks) SEG_RETURN_IF_ERROR(WarnOfTrainingLabels(*sets.train));
  return sets;
}

void SeedGenerators(int64_t seed) {
  torch::manual_seed(static_cast<uint64_t>(seed));
}

}  // namespace seg
