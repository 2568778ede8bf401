// Taichi (Siarohin et al., NeurIPS 2019) with the landmarks and test masks of
// their motion co-part segmentation (ICPR 2020), as GANSeg uses them:
//   train/VIDEO/FRAME.png       the training frames, in folders of any depth
//   eval_images/taichi-256/train/NAME   frames with landmarks, to fit on (about
//   eval_images/taichi-256/test/NAME    5,000) and to test on (about 300)
//   landmark/taichi_train_gt.csv        lines NAME,x,y,x,y,.. of 18 landmarks,
//   landmark/taichi_test_gt.csv         -1,-1 where one is missing (points.h)
//   taichi-test-masks/NAME      person 255; other values than 255 are
//                               background, before the mask is resized (the
//                               released code looks afterwards, so that its
//                               outlines are thinner by a part of a pixel)
// The landmarks come as a pickled table of file_name and value; README.md says
// how to write it as lines.
#ifndef COMMON_DATASETS_TAICHI_H_
#define COMMON_DATASETS_TAICHI_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

// split: train, frames alone; val, the frames that a regression is fitted on,
// with points; test, frames with points and masks (classes background, person).
// NotFound names the file or folder that is missing, or the splits there are.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenTaichi(
    const std::string& folder, const std::string& split);

}  // namespace seg

#endif  // COMMON_DATASETS_TAICHI_H_
