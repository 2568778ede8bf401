// Data sets in one HDF5 file, as the preprocessing of GANSeg's published code
// writes them (celeba_wild.h5, cub.h5, flower.h5): for each split NAME
//   NAME_img        uint8 [N,3,H,W], RGB
//   NAME_seg        uint8 [N,H,W], 0 background, else foreground (optional)
//   NAME_landmark   float [N,P,2], rows and columns in pixels (optional)
#ifndef COMMON_DATASETS_HDF5_DATASET_H_
#define COMMON_DATASETS_HDF5_DATASET_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

// split: a NAME with a NAME_img in the file; where there is no val_img or
// test_img, "val" is mafl_train and "test" is mafl_test. Pictures are read one
// by one, so a file may be larger than memory. Classes background and
// foreground. Five landmarks are taken for a face's (points.h). IDs are
// "NAME_000012". Errors name the file and the array; NotFound the splits there
// are.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenHdf5Dataset(
    const std::string& path, const std::string& split);

}  // namespace seg

#endif  // COMMON_DATASETS_HDF5_DATASET_H_
