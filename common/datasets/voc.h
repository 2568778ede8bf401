// The official folders of PASCAL VOC 2012 (Everingham et al., IJCV 2010) and of
// SBD, the Semantic Boundaries Dataset (Hariharan et al., ICCV 2011), whose
// masks for VOC's photographs make the usual larger training set.
//
//   VOC2012/JPEGImages/ID.jpg              SBD: dataset/img/ID.jpg
//   VOC2012/SegmentationClass/ID.png            dataset/cls/ID.mat
//   VOC2012/ImageSets/Segmentation/NAME.txt     dataset/NAME.txt
//
// Masks are VOC's 21 classes; VOC has 255 (void) along the borders, SBD has no
// void. Every picture and mask of a list must exist when it is opened.
#ifndef COMMON_DATASETS_VOC_H_
#define COMMON_DATASETS_VOC_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

// The 21 classes, VOC's colours, ignore label 255. name: "voc2012" or "sbd".
DatasetInfo VocInfo(const std::string& name);

// folder: VOC2012, the VOCdevkit above it, or the folder above that.
// sbd_folder: SBD's `dataset` or the folder above it; empty: none.
// split: a list in ImageSets/Segmentation (train, val, trainval). A mask that
// SegmentationClass lacks is read from SBD where that is given.
//   "train_aug": the list of that name or, where there is none and SBD is
//     given, what such lists hold: the ids of VOC's train and of SBD's train
//     and val that are not in VOC's val, sorted (10582 of them).
//   "test": the challenge's list has no masks; has_masks is false then.
// NotFound names the lists there are, or the file that is missing.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenVoc2012(
    const std::string& folder, const std::string& sbd_folder,
    const std::string& split);

// folder: SBD's `dataset` or the folder above it. split: train or val, or any
// other list in it.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenSbd(
    const std::string& folder, const std::string& split);

}  // namespace seg

#endif  // COMMON_DATASETS_VOC_H_
