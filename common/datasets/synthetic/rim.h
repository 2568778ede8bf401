// Labels as PASCAL VOC has them: an ignored rim along the edges of things.
#ifndef COMMON_DATASETS_SYNTHETIC_RIM_H_
#define COMMON_DATASETS_SYNTHETIC_RIM_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"

namespace seg {

// The labels of a map of things, with `ignore_label` on every pixel that has
// another thing (or the background) within the square of 2 * width + 1 pixels
// around it: a rim of `width` pixels on either side of an edge. The frame of
// the picture is no edge.
//   things: contiguous uint8 [H,W], numbers of things.
//   label_of: the label of each number in `things`.
//   width: >= 0; 0: no rim.
//   returns: uint8 [H,W].
// O(H W width).
at::Tensor LabelsWithRim(const at::Tensor& things,
                         const std::vector<uint8_t>& label_of, int64_t width,
                         uint8_t ignore_label);

}  // namespace seg

#endif  // COMMON_DATASETS_SYNTHETIC_RIM_H_
