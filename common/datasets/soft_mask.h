// Masks of two classes that are stored as grey pictures.
#ifndef COMMON_DATASETS_SOFT_MASK_H_
#define COMMON_DATASETS_SOFT_MASK_H_

#include <string>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"

namespace seg {

// 1 where the picture is at least half white (128), else 0: means over
// annotators, or edges that JPEG has blurred. Any format of image.h. returns:
// uint8 [H,W]. InvalidArgument names a picture that is coloured.
absl::StatusOr<at::Tensor> ReadSoftMask(const std::string& path);

}  // namespace seg

#endif  // COMMON_DATASETS_SOFT_MASK_H_
