// Deterministic changes of pictures and label masks: resizing, mirroring,
// normalisation. Masks are always resampled by nearest neighbour, so no label
// appears that was not there. For random changes see augment.h.
#ifndef COMMON_DATASETS_TRANSFORMS_H_
#define COMMON_DATASETS_TRANSFORMS_H_

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/datasets/dataset.h"

namespace seg {

// image: uint8 [C,H,W], CPU. returns: uint8 [C,height,width], contiguous.
// Bilinear with anti-aliasing: where the image shrinks the triangle filter is
// widened to cover every source pixel. Follows Pillow's Image.resize(BILINEAR)
// to the bit (fixed point of 22 bits, rows first). An unchanged size returns
// equal values. O(C H W + C height width) times the filter's width.
at::Tensor ResizeImage(const at::Tensor& image, int64_t height, int64_t width);

// mask: uint8 [H,W], CPU. returns: uint8 [height,width], contiguous: the source
// pixel below each target pixel's centre (torch's "nearest-exact").
at::Tensor ResizeMask(const at::Tensor& mask, int64_t height, int64_t width);

// Image, mask and probabilities (bilinear with anti-aliasing) at once; what a
// sample does not have stays undefined.
Sample ResizeSample(const Sample& sample, int64_t height, int64_t width);

// Mirrors left and right and swaps the classes of each pair in the mask and the
// probabilities.
// Applied twice it gives the sample back.
Sample FlipSample(const Sample& sample,
                  const std::vector<std::pair<int64_t, int64_t>>& flip_pairs);

// For each of the 256 labels, the label after a horizontal flip.
std::array<uint8_t, 256> FlipTable(
    const std::vector<std::pair<int64_t, int64_t>>& flip_pairs);

// images: float [N,3,H,W] or [3,H,W]. returns (images - mean) / std, channel by
// channel, differentiable.
at::Tensor Normalize(const at::Tensor& images,
                     const std::array<double, 3>& mean,
                     const std::array<double, 3>& std);

}  // namespace seg

#endif  // COMMON_DATASETS_TRANSFORMS_H_
