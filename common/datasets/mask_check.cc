#include "common/datasets/mask_check.h"

#include <array>
#include <cstdint>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"

namespace seg {

absl::Status CheckLabels(const std::string& path, const at::Tensor& mask,
                         const DatasetInfo& info) {
  std::array<bool, 256> known;
  for (int64_t i = 0; i < 256; ++i) {
    known[i] = i < info.num_classes() || i == info.ignore_label;
  }
  const at::Tensor whole = mask.contiguous();
  const uint8_t* labels = whole.data_ptr<uint8_t>();
  const int64_t width = whole.size(1);
  for (int64_t i = 0; i < whole.numel(); ++i) {
    if (known[labels[i]]) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": label ", static_cast<int>(labels[i]), " at row ", i / width,
        ", column ", i % width, " is no class (0..", info.num_classes() - 1,
        ") and not the ignore label (", info.ignore_label,
        "); is the file damaged, or of other data? If not, add the class to "
        "dataset.yaml"));
  }
  return absl::OkStatus();
}

absl::Status CheckMask(const std::string& path, const Sample& sample,
                       const DatasetInfo& info) {
  if (sample.mask.size(0) != sample.image.size(1) ||
      sample.mask.size(1) != sample.image.size(2)) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": ", sample.mask.size(1), "x", sample.mask.size(0),
        ", expected the size of its image, ", sample.image.size(2), "x",
        sample.image.size(1), "; resize the mask by nearest neighbour"));
  }
  return CheckLabels(path, sample.mask, info);
}

}  // namespace seg
