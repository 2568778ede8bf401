#include "segnet_rerank/regions/superpixel_image.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace seg {
namespace segnet_rerank {
namespace {

// Centres and sides on the border of the image, from the labels.
void Locate(SuperpixelImage* image) {
  const int64_t height = image->height, width = image->width;
  image->centre.resize(image->size(), {0.0, 0.0});
  image->border.resize(image->size(), {0, 0, 0, 0});
  const int32_t* label = image->labels.const_data_ptr<int32_t>();
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x, ++label) {
      image->centre[*label][0] += static_cast<double>(y);
      image->centre[*label][1] += static_cast<double>(x);
      std::array<int64_t, 4>& border = image->border[*label];
      border[0] += y == 0;
      border[1] += y == height - 1;
      border[2] += x == 0;
      border[3] += x == width - 1;
    }
  }
  for (int64_t s = 0; s < image->size(); ++s) {
    for (double& c : image->centre[s]) {
      c /= static_cast<double>(image->graph.area[s]);
    }
  }
}

}  // namespace

at::Tensor Superpixels(const at::Tensor& image, const RegionOptions& options) {
  SlicOptions slic;
  slic.number = options.superpixels;
  slic.compactness = options.compactness;
  return Slic(image, slic);
}

SuperpixelImage MakeSuperpixelImage(const at::Tensor& image,
                                    const RegionOptions& options) {
  SuperpixelImage result;
  result.labels = Superpixels(image, options);
  result.graph = MakeSuperpixelGraph(image, result.labels);
  result.height = result.labels.size(0);
  result.width = result.labels.size(1);
  Locate(&result);

  double length = 0.0, contrast = 0.0, difference = 0.0;
  for (const auto& neighbours : result.graph.neighbours) {
    for (const SuperpixelNeighbour& n : neighbours) {
      const double pairs = static_cast<double>(n.boundary_length);
      length += pairs;
      contrast += pairs * n.boundary_contrast;
      difference += pairs * n.colour_difference;
    }
  }
  constexpr double kLeastMean = 1.0;
  contrast = std::max(kLeastMean, contrast / std::max(length, 1.0));
  difference = std::max(kLeastMean, difference / std::max(length, 1.0));
  result.strength.resize(result.size());
  result.weight.resize(result.size());
  for (int64_t s = 0; s < result.size(); ++s) {
    for (const SuperpixelNeighbour& n : result.graph.neighbours[s]) {
      const double d = 0.5 * (n.boundary_contrast / contrast +
                              n.colour_difference / difference);
      result.strength[s].push_back(d);
      result.weight[s].push_back(
          std::exp(-d / (2.0 * options.edge_sigma * options.edge_sigma)) +
          options.edge_offset);
    }
  }
  return result;
}

std::vector<SuperpixelSet> ConnectedPieces(const SuperpixelGraph& graph,
                                           const std::vector<uint8_t>& inside) {
  std::vector<SuperpixelSet> pieces;
  std::vector<uint8_t> left = inside;
  for (int64_t start = 0; start < graph.size(); ++start) {
    if (!left[start]) continue;
    SuperpixelSet piece = {static_cast<int32_t>(start)};
    left[start] = 0;
    for (size_t k = 0; k < piece.size(); ++k) {
      for (const SuperpixelNeighbour& n : graph.neighbours[piece[k]]) {
        if (!left[n.label]) continue;
        left[n.label] = 0;
        piece.push_back(n.label);
      }
    }
    std::sort(piece.begin(), piece.end());
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

}  // namespace segnet_rerank
}  // namespace seg
