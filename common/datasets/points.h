// Landmarks of samples from a text file (data.landmarks): fills Sample::points.
#ifndef COMMON_DATASETS_POINTS_H_
#define COMMON_DATASETS_POINTS_H_

#include <map>
#include <memory>
#include <string>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

// Lines "ID x y x y ..", blanks or commas between, the same number of pairs in
// all; "-1 -1" (any negative coordinate) where a point is not visible; blank
// lines and lines that begin with # are skipped, and so is a first line of
// column names.
// returns: float32 [P,3] by ID, as in Sample. InvalidArgument "PATH:LINE: ..."
// for anything else and for an ID twice.
absl::StatusOr<std::map<std::string, at::Tensor>> ReadPoints(
    const std::string& path);

// Every sample of `dataset` with the points of its ID in `path`. Five of them
// are taken for those of a face, in the order of align.h, and a mirror image
// swaps eyes and corners of the mouth. NotFound where the file is missing or
// lacks a sample's ID.
absl::StatusOr<std::shared_ptr<const Dataset>> WithPoints(
    std::shared_ptr<const Dataset> dataset, const std::string& path);

}  // namespace seg

#endif  // COMMON_DATASETS_POINTS_H_
