// CelebA in the wild (Liu et al., ICCV 2015; the pictures that are not aligned)
// with the lists of MAFL (Zhang et al., ECCV 2014), as GANSeg uses them: no
// masks, five landmarks a face, and only pictures whose face is large. In one
// folder, or the lists in Anno, the pictures in Img and MAFL's lists in MAFL
// below it:
//   img_celeba/NAME             NAME: 000001.jpg
//   list_landmarks_celeba.txt   lines NAME and ten numbers x y: left eye, right
//                               eye, nose, left and right corner of the mouth
//   list_bbox_celeba.txt        lines NAME x y width height
//   training.txt, testing.txt   MAFL's lists, a NAME a line (19,000 and 1,000)
//   celebA_training.txt         optional: NAMEs to train on; without it all
//   that
//                               MAFL does not list
//   list_imsize_celeba.txt      optional: lines NAME height width; without it
//                               the header of each picture is read
// Lines of another length (a count, names of columns) are passed over.
#ifndef COMMON_DATASETS_CELEBA_WILD_H_
#define COMMON_DATASETS_CELEBA_WILD_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

// The least share of the picture that the box of the face covers, w h / (W H):
// a third of CelebA's faces (GANSeg's code).
constexpr double kCelebaFaceShare = 0.3;

// split: train; val, MAFL's training list, on which a regression is fitted;
// test, MAFL's testing list. A sample has the points of its face and no mask; a
// mirror image swaps eyes and corners of the mouth. NotFound names a list or a
// picture that is missing, or the splits there are; InvalidArgument a name
// without box or landmarks.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenCelebaWild(
    const std::string& folder, const std::string& split);

}  // namespace seg

#endif  // COMMON_DATASETS_CELEBA_WILD_H_
