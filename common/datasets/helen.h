// HELEN with the part labels of Smith et al. (CVPR 2013), in the layout of its
// archive (SmithCVPR2013_dataset_resized):
//   images/ID.jpg
//   labels/ID/ID_lbl00.png .. ID_lbl10.png   8-bit weights of the 11 labels
//   exemplars.txt tuning.txt testing.txt     lines "12 , ID": train, val, test
// The label of a pixel is the one of the greatest weight, the lowest of equals.
#ifndef COMMON_DATASETS_HELEN_H_
#define COMMON_DATASETS_HELEN_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

// The 11 classes, left and right as the viewer sees them; brows and eyes are
// flip pairs.
DatasetInfo HelenInfo();

// split: train (2000), val (230) or test (100). Every picture and its first
// label must exist; NotFound names the file or the splits there are.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenHelen(
    const std::string& folder, const std::string& split);

}  // namespace seg

#endif  // COMMON_DATASETS_HELEN_H_
