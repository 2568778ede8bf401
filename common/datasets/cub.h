// Caltech-UCSD Birds 200 with two classes, background and bird, every sample
// cropped to the bird's bounding box, or whole with the split of ReDO.
//
// Edition of 2010 (Welinder et al.; 6033 images), its archives unpacked beside
// each other:
//   images/ID.jpg                 ID: SPECIES/NAME
//   lists/train.txt test.txt      lines SPECIES/NAME.jpg
//   annotations-mat/ID.mat        bbox.left .top .right .bottom; seg
//   segmentations/ID.png          optional: finer masks (Yang et al., CVPR
//                                 2014), go before seg
// Edition of 2011 (Wah et al.; 11788 images), CUB_200_2011 with the archive of
// the segmentations in it or beside it:
//   images.txt                    lines NUMBER SPECIES/NAME.jpg
//   train_test_split.txt          lines NUMBER 1 (training) or 0 (test)
//   bounding_boxes.txt            lines NUMBER X Y WIDTH HEIGHT
//   images/ID.jpg   segmentations/ID.png
//
// A PNG is the mean over annotators, 0 to 255: bird from half of them on.
// Boxes are widened to whole pixels and cut at the picture's border; those of
// 2010 count pixels from 1 and hold their last, those of 2011 are lengths.
#ifndef COMMON_DATASETS_CUB_H_
#define COMMON_DATASETS_CUB_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

constexpr int64_t kCubFolds = 10;

// split: test; trainval, the official training list; val, one tenth of that
// list, drawn at random; train, the other nine. The tenths are disjoint.
// fold: which tenth, 0 .. 9.
// Every picture, mask and annotation must exist; NotFound names the file or the
// splits there are.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenCub2010(
    const std::string& folder, const std::string& split, int64_t fold);

// folder: CUB_200_2011 or the one above it.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenCub2011(
    const std::string& folder, const std::string& split, int64_t fold);

// The edition of 2011 as Chen et al. (ReDO, NeurIPS 2019) divide it: whole
// pictures, 10,000 of them train, 788 val, 1,000 test, by a further list
//   train_val_test_split.txt      lines NUMBER 0 (train), 1 (val) or 2 (test)
// which their repository has (datasplits/cub).
absl::StatusOr<std::shared_ptr<const Dataset>> OpenCubRedo(
    const std::string& folder, const std::string& split);

}  // namespace seg

#endif  // COMMON_DATASETS_CUB_H_
