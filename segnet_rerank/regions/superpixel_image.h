// An image as a graph of superpixels, as the region pools see it.
#ifndef SEGNET_RERANK_REGIONS_SUPERPIXEL_IMAGE_H_
#define SEGNET_RERANK_REGIONS_SUPERPIXEL_IMAGE_H_

#include <array>
#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/solvers/superpixels.h"
#include "segnet_rerank/regions/region_options.h"

namespace seg {
namespace segnet_rerank {

// Superpixel ids, ascending, each once.
using SuperpixelSet = std::vector<int32_t>;

struct SuperpixelImage {
  at::Tensor labels;  // int32 [H,W], contiguous
  SuperpixelGraph graph;
  int64_t height = 0, width = 0;
  std::vector<std::array<double, 2>> centre;  // [n], mean y and x in pixels
  // [n], pixel sides on the image's border: top, bottom, left, right.
  std::vector<std::array<int64_t, 4>> border;
  // Beside graph.neighbours: strength d of the boundary and weight of the edge
  // for each unit of its length. Symmetric.
  std::vector<std::vector<double>> strength, weight;

  int64_t size() const { return graph.size(); }
  double pixels() const { return static_cast<double>(height * width); }
};

// The superpixels of an image, as the options want them; Slic says what the
// image may be and what comes out.
at::Tensor Superpixels(const at::Tensor& image, const RegionOptions& options);

// Superpixels and MakeSuperpixelGraph, and edges for them. image: uint8
// [3,H,W], any strides, on the CPU, H W >= 1; anything else is an error.
//
// The strength of a boundary is the mean of two ratios: the contrast along it,
// and the difference of the two mean colours (which blurred boundaries keep),
// each to its mean over the image's boundaries by their length. So d = 1 is an
// average boundary in sharp pictures and in soft ones. A mean below 1, the
// CIELAB unit, about what can be seen, counts as 1: all edges of an image of
// one colour have d = 0.
// contours: float32 [H,W] in [0,1], how likely each pixel is a contour, or
//   undefined. It has half of the say: the mean over the boundary's pairs of
//   pixels of the greater of the two, to its mean over the image's boundaries
//   (below 0.02 as 0.02).
SuperpixelImage MakeSuperpixelImage(const at::Tensor& image,
                                    const RegionOptions& options,
                                    const at::Tensor& contours = {});

// The connected pieces of the superpixels with inside[s] != 0, in the order of
// their first superpixels.
std::vector<SuperpixelSet> ConnectedPieces(const SuperpixelGraph& graph,
                                           const std::vector<uint8_t>& inside);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_REGIONS_SUPERPIXEL_IMAGE_H_
