// What the loaders of official formats share: lists of ids, checks of masks,
// and a data set made of ids and a function that reads one.
#ifndef COMMON_DATASETS_LISTED_H_
#define COMMON_DATASETS_LISTED_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

// Reads the sample of an id. Thread safe.
using SampleReader =
    std::function<absl::StatusOr<Sample>(const std::string& id)>;

std::shared_ptr<const Dataset> ListedDataset(DatasetInfo info,
                                             std::vector<std::string> ids,
                                             SampleReader read);

// The ids of a list, one a line (ReadSplitFile of pack.h). InvalidArgument for
// an id that is there twice or leaves the folder.
absl::StatusOr<std::vector<std::string>> ReadIdList(const std::string& path);

// NAMEs of the NAME.txt in `folder`, sorted.
std::vector<std::string> ListTextFiles(const std::string& folder);

// InvalidArgument "PATH: ..." unless the mask has the image's size and holds
// class ids and the ignore label only.
absl::Status CheckMask(const std::string& path, const Sample& sample,
                       const DatasetInfo& info);

}  // namespace seg

#endif  // COMMON_DATASETS_LISTED_H_
