// Weizmann Horse in its original release (Borenstein and Ullman, "Class-
// specific, top-down segmentation", ECCV 2002): 328 pictures, two classes. One
// folder (weizmann_horse_db) with
//   rgb/horseNNN.jpg            the pictures, NNN from 001 to 328
//   figure_ground/horseNNN.jpg  the masks, horse from half white on: JPEG
//                               leaves grey edges
//   gray/horseNNN.jpg           the pictures in grey, of the masks' sizes
// Most masks are smaller than their pictures: a picture is resized to its mask
// (bilinear with anti-aliasing), so that labels stay as they were drawn. Where
// a picture of the release is black (horse318), the grey one is taken.
//
// The release has no lists, and Larsson et al. 2017 do not publish theirs of
// 150, 50 and 128 pictures. The division here has these sizes and is a table in
// the source: the 328 names in order, shuffled once by Python's random.shuffle
// with the seed 20170101; train is the first 150, val the next 50, test the
// rest. data.split_seed divides train and val anew.
#ifndef COMMON_DATASETS_WEIZMANN_HORSE_H_
#define COMMON_DATASETS_WEIZMANN_HORSE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

// split: train (150), val (50), test (128), all (328), each in the order of the
// names. IDs are "horseNNN". Every picture and mask of the split must exist;
// NotFound names the file or the splits there are. Get refuses a picture whose
// proportions are not its mask's (to 1 % or a pixel).
absl::StatusOr<std::shared_ptr<const Dataset>> OpenWeizmannHorse(
    const std::string& folder, const std::string& split);

}  // namespace seg

#endif  // COMMON_DATASETS_WEIZMANN_HORSE_H_
