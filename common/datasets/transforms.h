// Deterministic changes of pictures, label masks and points: resizing,
// mirroring, normalisation. Masks are always resampled by nearest neighbour, so
// no label appears that was not there. For random changes see augment.h.
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

// p -> (xx x + xy y + x0, yx x + yy y + y0), positions in pixels with centres
// at integers.
struct Affine {
  double xx = 1.0, xy = 0.0, x0 = 0.0;
  double yx = 0.0, yy = 1.0, y0 = 0.0;

  Affine Inverse() const;  // where xx yy - xy yx is not 0
};

// points: float32 [P,3] as in Sample, or undefined (and returned so). returns:
// where `map` takes them; those outside a picture of height x width get
// visibility 0.
at::Tensor MovePoints(const at::Tensor& points, const Affine& map,
                      int64_t height, int64_t width);

// Points with the rows of each pair exchanged; undefined stays undefined.
at::Tensor SwapPoints(const at::Tensor& points,
                      const std::vector<std::pair<int64_t, int64_t>>& pairs);

// Image, mask, probabilities (bilinear with anti-aliasing) and points at once;
// what a sample does not have stays undefined.
Sample ResizeSample(const Sample& sample, int64_t height, int64_t width);

// Mirrors left and right and swaps the classes of each pair in the mask and the
// probabilities, and the rows of each pair in the points.
// Applied twice it gives the sample back.
Sample FlipSample(
    const Sample& sample,
    const std::vector<std::pair<int64_t, int64_t>>& flip_pairs,
    const std::vector<std::pair<int64_t, int64_t>>& point_flip_pairs = {});

// int64 [classes]: the class whose map each has after a horizontal flip.
at::Tensor FlippedClasses(
    int64_t classes,
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
