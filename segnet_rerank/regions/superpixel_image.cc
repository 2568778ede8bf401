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

// By neighbour, as the graph has them.
using Strengths = std::vector<std::vector<double>>;

Strengths ColourStrengths(const SuperpixelGraph& graph) {
  double length = 0.0, contrast = 0.0, difference = 0.0;
  for (const auto& neighbours : graph.neighbours) {
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
  Strengths strengths(graph.size());
  for (int64_t s = 0; s < graph.size(); ++s) {
    for (const SuperpixelNeighbour& n : graph.neighbours[s]) {
      strengths[s].push_back(0.5 * (n.boundary_contrast / contrast +
                                    n.colour_difference / difference));
    }
  }
  return strengths;
}

Strengths ContourStrengths(const SuperpixelImage& image,
                           const at::Tensor& contours) {
  const int64_t height = image.height, width = image.width;
  TORCH_CHECK(contours.sizes() == at::IntArrayRef({height, width}) &&
                  contours.scalar_type() == at::kFloat && contours.is_cpu(),
              "MakeSuperpixelImage: contours must be float32 [", height, ",",
              width, "] on the CPU, got ", contours.scalar_type(), " ",
              contours.sizes(), " on ", contours.device());
  const at::Tensor dense = contours.contiguous();
  const float* const contour = dense.const_data_ptr<float>();
  const int32_t* const label = image.labels.const_data_ptr<int32_t>();
  Strengths sums(image.size());
  for (int64_t s = 0; s < image.size(); ++s) {
    sums[s].resize(image.graph.neighbours[s].size(), 0.0);
  }
  const auto add = [&](int32_t from, int32_t to, double strength) {
    const auto& neighbours = image.graph.neighbours[from];
    const auto found = std::lower_bound(
        neighbours.begin(), neighbours.end(), to,
        [](const SuperpixelNeighbour& n, int32_t l) { return n.label < l; });
    sums[from][found - neighbours.begin()] += strength;
  };
  double total = 0.0, length = 0.0;
  const auto pair = [&](int64_t p, int64_t q) {
    if (label[p] == label[q]) return;
    const double strength = std::max(contour[p], contour[q]);
    add(label[p], label[q], strength);
    add(label[q], label[p], strength);
    total += strength;
    length += 1.0;
  };
  for (int64_t p = 0; p < height * width; ++p) {
    if (p % width + 1 < width) pair(p, p + 1);
    if (p + width < height * width) pair(p, p + width);
  }
  constexpr double kLeastMean = 0.02;
  const double mean = std::max(kLeastMean, total / std::max(length, 1.0));
  for (int64_t s = 0; s < image.size(); ++s) {
    for (size_t k = 0; k < sums[s].size(); ++k) {
      const auto& n = image.graph.neighbours[s][k];
      sums[s][k] /= mean * static_cast<double>(n.boundary_length);
    }
  }
  return sums;
}

}  // namespace

at::Tensor Superpixels(const at::Tensor& image, const RegionOptions& options) {
  SlicOptions slic;
  slic.number = options.superpixels;
  slic.compactness = options.compactness;
  return Slic(image, slic);
}

SuperpixelImage MakeSuperpixelImage(const at::Tensor& image,
                                    const RegionOptions& options,
                                    const at::Tensor& contours) {
  SuperpixelImage result;
  result.labels = Superpixels(image, options);
  result.graph = MakeSuperpixelGraph(image, result.labels);
  result.height = result.labels.size(0);
  result.width = result.labels.size(1);
  Locate(&result);

  result.strength = ColourStrengths(result.graph);
  if (contours.defined()) {
    const Strengths by_network = ContourStrengths(result, contours);
    for (int64_t s = 0; s < result.size(); ++s) {
      for (size_t k = 0; k < by_network[s].size(); ++k) {
        result.strength[s][k] =
            0.5 * (result.strength[s][k] + by_network[s][k]);
      }
    }
  }
  result.weight.resize(result.size());
  for (int64_t s = 0; s < result.size(); ++s) {
    for (const double d : result.strength[s]) {
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
