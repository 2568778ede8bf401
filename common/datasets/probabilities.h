// Class probabilities that another model gave, read beside the images: the
// input of methods that refine a coarse segmentation.
//
// A folder holds for each ID one of, looked for in this order,
//   ID.npy, ID_probabilities.npy  [L,h,w] of any float type, finite and >= 0, L
//           classes; the second is what `predict --probabilities` writes
//   ID.png  labels [h,w]: 1 at the pixel's class and 0 elsewhere; 1 / L for all
//           classes where the pixel has the ignore label
// of any size: the map is brought to the image's size, bilinearly (.npy) or by
// nearest neighbour (.png).
#ifndef COMMON_DATASETS_PROBABILITIES_H_
#define COMMON_DATASETS_PROBABILITIES_H_

#include <memory>
#include <string>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

// float32 [L,size.height,size.width], L = info.num_classes(). Errors: NotFound
// (names the files looked for), InvalidArgument (file, expected, got).
absl::StatusOr<at::Tensor> ReadProbabilities(const std::string& folder,
                                             const std::string& id,
                                             const DatasetInfo& info,
                                             ImageSize size);

// `dataset` with Sample::probabilities from `folder`.
std::shared_ptr<const Dataset> WithProbabilities(
    std::shared_ptr<const Dataset> dataset, const std::string& folder);

}  // namespace seg

#endif  // COMMON_DATASETS_PROBABILITIES_H_
