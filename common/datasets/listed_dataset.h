// A data set made of ids and a function that reads the sample of one.
#ifndef COMMON_DATASETS_LISTED_DATASET_H_
#define COMMON_DATASETS_LISTED_DATASET_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

// Reads the sample of an id. Thread safe.
using SampleReader =
    std::function<absl::StatusOr<Sample>(const std::string& id)>;

std::shared_ptr<const Dataset> ListedDataset(DatasetInfo info,
                                             std::vector<std::string> ids,
                                             SampleReader read);

}  // namespace seg

#endif  // COMMON_DATASETS_LISTED_DATASET_H_
