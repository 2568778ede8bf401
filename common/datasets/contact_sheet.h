// Many samples in one picture, to see what a network will be given.
#ifndef COMMON_DATASETS_CONTACT_SHEET_H_
#define COMMON_DATASETS_CONTACT_SHEET_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/datasets/dataset.h"

namespace seg {

struct ContactSheetOptions {
  int64_t columns = 4;  // samples in a row
  int64_t cell = 192;   // pictures are shrunk to fit a square of this side
  double opacity = 0.55;
};

// samples: at least one. returns: uint8 [3,H,W]: a grid on white; each sample
// is its picture, and beside it the same with the labels laid over (where it
// has a mask). Smaller pictures are not enlarged.
at::Tensor ContactSheet(const std::vector<Sample>& samples,
                        const DatasetInfo& info,
                        const ContactSheetOptions& options = {});

}  // namespace seg

#endif  // COMMON_DATASETS_CONTACT_SHEET_H_
