// Cityscapes, the fine annotations (Cordts et al., CVPR 2016), 19 classes. Its
// archives leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip unpacked
// beside each other:
//   leftImg8bit/SPLIT/CITY/ID_leftImg8bit.png
//   gtFine/SPLIT/CITY/ID_gtFine_labelIds.png     ids 0 .. 33
// The ids become the 19 train ids of the benchmark, in its order and colours;
// all others (void, and classes that the benchmark leaves out) are ignored, as
// is -1 (a licence plate), 255 as a byte.
#ifndef COMMON_DATASETS_CITYSCAPES_H_
#define COMMON_DATASETS_CITYSCAPES_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

// split: train (2975), val (500); test (1525), whose labels the benchmark keeps
// to itself: it has pictures and no masks. Every other picture must have its
// mask; NotFound names the file, or the splits there are. IDs are
// "aachen/aachen_000000_000019", sorted. Get refuses an id that Cityscapes does
// not have and names its place.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenCityscapes(
    const std::string& folder, const std::string& split);

}  // namespace seg

#endif  // COMMON_DATASETS_CITYSCAPES_H_
