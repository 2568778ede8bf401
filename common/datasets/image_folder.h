// Pictures in a folder, without masks or a description: what a system that
// learns without labels needs.
//   images:FOLDER     every .jpg, .jpeg and .png in it and in its folders, of
//                     any size
// The ID of FOLDER/day1/0007.jpg is "day1/0007".
#ifndef COMMON_DATASETS_IMAGE_FOLDER_H_
#define COMMON_DATASETS_IMAGE_FOLDER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

// split: "all"; the IDs of FOLDER/SPLIT.txt, one a line; and where the folder
// has none of train.txt, val.txt, test.txt a division of its own: "val" and
// "test" a tenth each, drawn at random but once for all, "train" the rest. In
// the order of the IDs, or of the list. The data set has no classes and no
// masks. NotFound where there is no picture, or no such split.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenImageFolder(
    const std::string& folder, const std::string& split);

}  // namespace seg

#endif  // COMMON_DATASETS_IMAGE_FOLDER_H_
