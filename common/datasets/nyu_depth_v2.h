// NYU Depth V2, the labelled set (Silberman, Hoiem, Kohli and Fergus, "Indoor
// segmentation and support inference from RGBD images", ECCV 2012): 1449
// pictures of rooms, 480 x 640, each pixel with one of 894 names. In one
// folder:
//   nyu_depth_v2_labeled.mat   MATLAB 7.3, that is HDF5 (common/io/hdf5.h),
//                              with the axes in reverse:
//     images   uint8 [N,3,W,H]
//     labels   uint16 [N,W,H], the number of a name from 1; 0 is unlabelled
//     names    cell array of texts
//   splits.mat                 MATLAB 5: trainNdxs (795) and testNdxs (654),
//                              numbers of pictures from 1
// Depths are not read.
//
// Masks have 8 bits, so the 894 names cannot be classes as they are, nor can
// data.map merge them: a table does as a picture is read (class_table.h).
// data.class_table names it; by default it is nyu_depth_v2_5.yaml, the five
// classes ground, vertical, ceiling, furniture and objects of Larsson et al.
// 2017 (protocol of Wang et al. 2014). Their own table is not at hand, so this
// mapping is inferred (a deviation).
#ifndef COMMON_DATASETS_NYU_DEPTH_V2_H_
#define COMMON_DATASETS_NYU_DEPTH_V2_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

constexpr int64_t kNyuFolds = 10;

// table: path of a class table.
// split: test, the official one; trainval, the official training list; val, one
// tenth of that list, drawn at random; train, the other nine, as of CUB
// (cub.h). fold: which tenth, 0 .. 9. IDs are the pictures' numbers, "0001" to
// "1449". Unlabelled pixels are ignored. A picture and its labels are read when
// Get asks for them, so memory does not grow with the file. Errors name file
// and array: NotFound what is missing, or the splits there are; InvalidArgument
// shapes, types, numbers and labels that cannot be; DataLoss a file that is cut
// short.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenNyuDepthV2(
    const std::string& folder, const std::string& table,
    const std::string& split, int64_t fold);

}  // namespace seg

#endif  // COMMON_DATASETS_NYU_DEPTH_V2_H_
