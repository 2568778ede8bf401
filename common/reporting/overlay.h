// Pictures of segmentations: class colours blended over a photograph with the
// region boundaries drawn, and side-by-side strips for comparison.
//
// Images are uint8 [3,H,W] RGB; masks are integer [H,W] class ids (any
// integer dtype, any strides). A class id beyond the palette takes its colour
// from VocPalette(). Pixels that carry `ignore_label` keep the photograph
// (blend) or get VOC's void colour (flat colours). All results are new,
// contiguous uint8 tensors on the CPU. Wrong shapes or dtypes throw
// (TORCH_CHECK). Everything is O(pixels).
#ifndef COMMON_REPORTING_OVERLAY_H_
#define COMMON_REPORTING_OVERLAY_H_

#include <array>
#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/io/voc_palette.h"

namespace seg {

struct OverlayOptions {
  // Weight of the class colour; the photograph gets 1 - opacity. In [0,1].
  double opacity = 0.55;
  // Draw the pixels that touch another class (4-neighbours) in their class
  // colour at full strength, so that thin parts stay visible.
  bool boundaries = true;
  // Class left unpainted (e.g. 0 where background should show the photograph
  // as it is); -1 paints every class.
  int64_t unpainted_class = -1;
  int64_t ignore_label = 255;
};

// Flat class colours. mask: [H,W] -> uint8 [3,H,W].
at::Tensor ColourMask(const at::Tensor& mask, const Palette& palette,
                      int64_t ignore_label = 255);

// Class colours over the photograph. image: uint8 [3,H,W], mask: [H,W].
// An empty palette means VocPalette().
at::Tensor BlendMask(const at::Tensor& image, const at::Tensor& mask,
                     const Palette& palette,
                     const OverlayOptions& options = OverlayOptions());

// Where prediction and truth differ: the photograph in pale grey, wrong
// pixels in vermillion, ignored pixels in mid blue-grey.
at::Tensor DifferenceImage(const at::Tensor& image, const at::Tensor& truth,
                           const at::Tensor& prediction,
                           int64_t ignore_label = 255);

// Images beside each other, top-aligned, `gap` columns of white between them;
// shorter ones are filled up with white. No image gives [3,0,0].
at::Tensor SideBySide(const std::vector<at::Tensor>& images, int64_t gap = 4);

}  // namespace seg

#endif  // COMMON_REPORTING_OVERLAY_H_
