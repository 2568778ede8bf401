// What every reader of masks checks.
#ifndef COMMON_DATASETS_MASK_CHECK_H_
#define COMMON_DATASETS_MASK_CHECK_H_

#include <string>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/datasets/dataset.h"

namespace seg {

// InvalidArgument "PATH: ..." unless every label is a class id or the ignore
// label; names the first pixel that is not. mask: uint8 [H,W].
absl::Status CheckLabels(const std::string& path, const at::Tensor& mask,
                         const DatasetInfo& info);

// The same, and that the sample's mask has its image's size.
absl::Status CheckMask(const std::string& path, const Sample& sample,
                       const DatasetInfo& info);

}  // namespace seg

#endif  // COMMON_DATASETS_MASK_CHECK_H_
