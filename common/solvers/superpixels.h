// Superpixels: small connected regions of nearly one colour (SLIC), and the
// graph of those that touch.
//
// Source: Achanta et al. 2012, "SLIC superpixels compared to state-of-the-art
// superpixel methods".
#ifndef COMMON_SOLVERS_SUPERPIXELS_H_
#define COMMON_SOLVERS_SUPERPIXELS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"

namespace seg {

struct SlicOptions {
  int64_t number = 500;  // of superpixels, about; >= 1
  // The distance in CIELAB that weighs as much as one grid interval in space;
  // finite, > 0. Low values follow edges, high ones give squares. (Sec. 3.1: 1
  // to 40, 10 in the paper's experiments.)
  double compactness = 10.0;
  int64_t iterations = 10;  // >= 1; Sec. 3.2: enough for most images
};

// Cuts an image into superpixels.
//   image: uint8 [3,H,W], sRGB, any strides, on the CPU; 1 <= H W < 2^31.
//   returns: int32 [H,W], contiguous, on the CPU. The labels are 0 .. n-1
//     without gaps, in the order of their first pixels, row by row. Each label
//     is one 4-connected region.
//
// Centres start on a grid of about `number` cells. Where cells are 3 pixels
// wide or more, a centre first moves to the pixel of least gradient among the
// 3 x 3 around it. Then each pixel takes the nearest centre (Eq. 3) among those
// at most one grid interval away in x and in y, the first one of equals, and a
// centre becomes the mean of its pixels. A pixel beyond all centres' reach
// keeps its label.
//
// Last, connectivity: a label's separate pieces count as regions of their own.
// A region of less than a quarter of the mean area H W / number joins the
// touching region of nearest mean colour. So n differs from `number`: by the
// rounding of the grid, and more on noise. With number >= H W each pixel is a
// superpixel.
//
// A function of image and options: threads share the rows, and no sum depends
// on them. O(H W iterations), whatever `number` is.
at::Tensor Slic(const at::Tensor& image, const SlicOptions& options = {});

// How a superpixel touches another.
struct SuperpixelNeighbour {
  int32_t label = 0;
  // Pairs of pixels, side by side or one above the other, one pixel in each.
  int64_t boundary_length = 0;
  // Mean over these pairs of the distance of their colours, in CIELAB.
  double boundary_contrast = 0.0;
  double colour_difference = 0.0;  // distance of the mean colours, in CIELAB
};

struct SuperpixelGraph {
  std::vector<int64_t> area;                       // [n], pixels
  std::vector<std::array<double, 3>> mean_colour;  // [n], L, a, b
  // [n], ascending in `label`. Symmetric: if b is in neighbours[a], then a is
  // in neighbours[b] with equal numbers.
  std::vector<std::vector<SuperpixelNeighbour>> neighbours;

  int64_t size() const { return static_cast<int64_t>(area.size()); }
};

// The graph of the labels of an image; 4-connected pixels touch.
//   image: as in Slic.
//   labels: int32 [H,W], any strides, on the CPU: 0 .. n-1, each at one pixel
//     or more. They need not be connected.
// Sums in double, in the order of the pixels. O(H W + B log B), B the number of
// pixel pairs at boundaries.
SuperpixelGraph MakeSuperpixelGraph(const at::Tensor& image,
                                    const at::Tensor& labels);

}  // namespace seg

#endif  // COMMON_SOLVERS_SUPERPIXELS_H_
