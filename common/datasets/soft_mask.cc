#include "common/datasets/soft_mask.h"

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/io/image.h"

namespace seg {

absl::StatusOr<at::Tensor> ReadSoftMask(const std::string& path) {
  SEG_ASSIGN_OR_RETURN(const at::Tensor rgb, ReadImage(path));
  if (!rgb[0].equal(rgb[1]) || !rgb[0].equal(rgb[2])) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is coloured, expected a grey mask, 0 to 255"));
  }
  return rgb[0].ge(128).to(at::kByte);
}

}  // namespace seg
