// Faces of LFW with labels of parts, two different sets.
//
// `lfw_parts` (Kae, Sohn, Lee, Learned-Miller, CVPR 2013; 2927 images, labels
// of superpixels; background, skin, hair), its archives unpacked beside each
// other:
//   lfw_funneled/NAME/NAME_0001.jpg
//   parts_lfw_funneled_superpixels_mat/NAME/NAME_0001.dat   ids 0 .. S-1 of the
//                                    pixels, a row of the picture a line
//   parts_lfw_funneled_gt/NAME/NAME_0001.dat   S, then the S labels, 0 .. 2
//   parts_train.txt parts_validation.txt parts_test.txt     lines "NAME 1"
// Ids without a label and negative labels are void.
//
// `lfw4` (Ai, Wang and others, CVPR 2012; 1046 images of 250 x 250; background,
// face, clothes, hair): one folder of pairs, which follow each other in the
// order of their names, picture NAME.jpg and label NAME*.png. A label's colours
// are bits: black background, red and green face, blue clothes, all hair, any
// other void.
#ifndef COMMON_DATASETS_LFW_PARTS_H_
#define COMMON_DATASETS_LFW_PARTS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

// split: train (1500), val (500) or test (927). Every picture and its two
// labels must exist; NotFound names the file or the splits there are.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenLfwParts(
    const std::string& folder, const std::string& split);

constexpr int64_t kLfw4Splits = 5;

// split: train (40 %), val (10 %), test (50 %), or all. fold: which of the five
// random divisions, 0 .. 4; they are drawn here, as the generator that the
// paper's authors used is MATLAB's.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenLfw4(
    const std::string& folder, const std::string& split, int64_t fold);

}  // namespace seg

#endif  // COMMON_DATASETS_LFW_PARTS_H_
