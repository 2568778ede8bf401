// Oxford Flowers-102 (Nilsback and Zisserman 2008) with two classes, background
// and flower. Its archives unpacked beside each other:
//   jpg/image_NNNNN.jpg        the pictures
//   segmim/segmim_NNNNN.jpg    the flower, all else blue
//   setid.mat                  trnid, valid, tstid: numbers from 1
// A pixel of segmim is background where R or G is 0 or B is 254 (the rule of
// Chen et al., ReDO, NeurIPS 2019, here at the picture's own size).
#ifndef COMMON_DATASETS_FLOWERS102_H_
#define COMMON_DATASETS_FLOWERS102_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

// split: train (1020), val (1020), test (6149). Every picture and mask must
// exist; NotFound names the file or the splits there are. IDs are
// "image_NNNNN".
absl::StatusOr<std::shared_ptr<const Dataset>> OpenFlowers102(
    const std::string& folder, const std::string& split);

// The same with train and test exchanged, as ReDO and GANSeg use the set:
// learning without labels wants the larger part.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenFlowers102Redo(
    const std::string& folder, const std::string& split);

}  // namespace seg

#endif  // COMMON_DATASETS_FLOWERS102_H_
