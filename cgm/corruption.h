// Noise injection: parts of training images that are black, while their labels
// stay (Sohn et al. 2015, section 4), and the blocks that the study of
// partial observation hides.
#ifndef CGM_CORRUPTION_H_
#define CGM_CORRUPTION_H_

#include <cstdint>

#include "ATen/core/Generator.h"
#include "ATen/core/Tensor.h"
#include "cgm/config.h"

namespace seg {
namespace cgm {

// Black pixels in training images [N,3,H,W], in a copy (`none`: the images
// themselves). Draws from the CPU's default generator: for `square` one side
// round(H u max_side), u uniform on [0,1), for the batch and a position inside
// the image for each image; for `blocks` each block of block x block pixels
// (cut at the borders) of each image with probability `omitted`.
at::Tensor Corrupt(const at::Tensor& images, const CorruptionConfig& config);

// Which pixels Corrupt(blocks) makes black: bool [n,height,width] on the CPU.
// generator: undefined for the default one.
at::Tensor OmittedPixels(int64_t n, int64_t height, int64_t width,
                         int64_t block, double omitted,
                         const at::Generator& generator = {});

}  // namespace cgm
}  // namespace seg

#endif  // CGM_CORRUPTION_H_
