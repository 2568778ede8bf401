// Pictures of what a model thinks possible.
#ifndef CGM_PICTURES_H_
#define CGM_PICTURES_H_

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "common/reporting/overlay.h"

namespace seg {
namespace cgm {

// Label maps of class probabilities [S,C,H,W] (the arg-max of each) drawn over
// the image uint8 [3,H,W], in rows of `columns`: uint8 [3,h,w].
at::Tensor SamplesPicture(const at::Tensor& image, const at::Tensor& posteriors,
                          const Palette& palette, const OverlayOptions& overlay,
                          int64_t columns = 6);

// A map [H,W] as grey: 0 black, `most` and above white. uint8 [3,H,W].
at::Tensor GreyPicture(const at::Tensor& map, double most);

}  // namespace cgm
}  // namespace seg

#endif  // CGM_PICTURES_H_
