// Dense local descriptors of an image, which second-order pooling averages over
// regions: what the texture around a pixel is like, its colour, and where it
// lies.
//
// Source: Carreira et al. 2012, "Semantic segmentation with second-order
// pooling", Sec. 3 (eSIFT and eLBP). Gradient histograms of our own stand in
// for SIFT: cells are boxes, without a Gaussian window, without interpolation
// between cells and without smoothing by scale.
#ifndef SEGNET_RERANK_O2P_DESCRIPTORS_H_
#define SEGNET_RERANK_O2P_DESCRIPTORS_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/config/config.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace segnet_rerank {

// kGradients: histograms of gradient orientations in cells x cells cells, 8
// cells^2 values. kLbp: one histogram of local binary patterns, 58 values.
enum class DescriptorType { kGradients, kLbp };
SEG_DECLARE_ENUM(DescriptorType)

// The defaults are small and fast: 32 values, two scales. The published ones
// are cells 4 and cell_sizes 2, 4, 6, 8 (gradients), or 2, 4, 6, 8, 10 (LBP).
struct DescriptorConfig {
  DescriptorType type = DescriptorType::kGradients;
  int64_t cells = 2;  // along a side of the patch; LBP has one cell
  // Side of a cell in pixels: one descriptor for each at each place of the
  // grid.
  std::vector<int64_t> cell_sizes = {4, 8};
  int64_t step = 4;  // of the grid, in pixels

  static std::vector<KeyRule> Rules();
};
SEG_DECLARE_CONFIG(DescriptorConfig)

// What a descriptor holds besides its histogram.
constexpr int64_t kColourValues = 9;
constexpr int64_t kRawPositionValues = 3;

// N descriptors of an image. N may be 0.
struct Descriptors {
  // float32 [N,D], D = L + 12. Columns:
  //   0 .. L-1: the histogram; Euclidean norm 1, or 0 where all is one colour
  //   L .. L+8: R, G, B in [0,1]; H, S, V in [0,1]; L*/100 and a*/100, b*/100
  //   L+9 .. L+11: x, y of the centre and the cell's side, all in pixels
  at::Tensor values;
  at::Tensor centres;  // int32 [N,2]: the pixel x, y
};

// Length L of the histogram.
int64_t HistogramSize(const DescriptorConfig& config);

// The descriptors of an image.
//   image: uint8 [3,H,W], sRGB, any strides, on the CPU. Any size; where no
//     patch fits there is no descriptor.
//   returns: on the CPU, in the order of cell sizes, then rows, then columns.
//
// Centres of every cell size lie on the one grid x, y = step / 2 + k step
// (rounded down); a descriptor is there if its patch lies in the image. The
// patch of side P = cells * cell size begins at x - P / 2, rounded down.
//
// Gradients: central differences of the grey image (0.299, 0.587, 0.114), with
// the image's border pixels repeated; the magnitude is shared by the two
// nearest of 8 orientations, 0 to 360 degrees. The histogram is brought to norm
// 1, cut at 0.2 and brought to norm 1 again, as SIFT is (Lowe 2004, Sec. 6.1).
// Those of patches without any gradient stay 0.
//
// LBP: at each pixel, which of its 8 neighbours are lighter than itself. The 56
// patterns of one dark and one light arc have a bin each, in the order of start
// and length of the light arc; one bin is for all or none lighter, one for the
// rest (Ojala et al. 2002, Sec. 2.3; the two constant patterns share a bin, so
// that there are 58 as in the paper). Norm 1.
//
// Colours are those of the centre pixel. Their scale, which the paper does not
// say, keeps them in the range of the histogram's values.
//
// Throws for other images, and for values outside DescriptorConfig::Rules.
// O(H W (sum over cell sizes of (P / step)^2)).
Descriptors ComputeDescriptors(const at::Tensor& image,
                               const DescriptorConfig& config = {});

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_O2P_DESCRIPTORS_H_
