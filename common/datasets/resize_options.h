// The size that samples are brought to: see views.h.
#ifndef COMMON_DATASETS_RESIZE_OPTIONS_H_
#define COMMON_DATASETS_RESIZE_OPTIONS_H_

#include <cstdint>

namespace seg {

// Resizing of every sample, in training and in evaluation. At most one of:
// exact size (both resize_height and resize_width), length of the longer side,
// length of the shorter side (these two keep the proportions). 0: off.
struct ResizeOptions {
  int64_t resize_height = 0;
  int64_t resize_width = 0;
  int64_t resize_longer = 0;
  int64_t resize_shorter = 0;
};

}  // namespace seg

#endif  // COMMON_DATASETS_RESIZE_OPTIONS_H_
