#include "segnet_rerank/regions/region_cuts.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <utility>

#include "absl/status/statusor.h"
#include "c10/util/Exception.h"
#include "common/solvers/max_flow.h"

namespace seg {
namespace segnet_rerank {
namespace {

using Colour = std::array<double, 3>;

double L1(const Colour& a, const Colour& b) {
  return std::abs(a[0] - b[0]) + std::abs(a[1] - b[1]) + std::abs(a[2] - b[2]);
}

double NearestDistance(const Colour& colour,
                       const std::vector<Colour>& centres) {
  double least = std::numeric_limits<double>::infinity();
  for (const Colour& c : centres) least = std::min(least, L1(colour, c));
  return least;
}

// k-means of the mean colours of superpixels, not empty, by their areas. Each
// first centre is the colour farthest from those before it.
std::vector<Colour> ColourCentres(const SuperpixelImage& image,
                                  const SuperpixelSet& superpixels,
                                  int64_t number) {
  const auto colour = [&](int32_t s) { return image.graph.mean_colour[s]; };
  std::vector<Colour> centres = {colour(superpixels[0])};
  while (static_cast<int64_t>(centres.size()) < number) {
    int32_t farthest = 0;
    double most = 0.0;
    for (const int32_t s : superpixels) {
      const double distance = NearestDistance(colour(s), centres);
      if (distance > most) most = distance, farthest = s;
    }
    if (most == 0.0) break;  // fewer colours than that
    centres.push_back(colour(farthest));
  }
  constexpr int kIterations = 10;
  for (int i = 0; i < kIterations; ++i) {
    std::vector<Colour> sums(centres.size(), Colour{});
    std::vector<double> areas(centres.size(), 0.0);
    for (const int32_t s : superpixels) {
      const auto nearest =
          std::min_element(centres.begin(), centres.end(),
                           [&](const Colour& a, const Colour& b) {
                             return L1(colour(s), a) < L1(colour(s), b);
                           });
      const size_t k = nearest - centres.begin();
      const double area = static_cast<double>(image.graph.area[s]);
      areas[k] += area;
      for (int c = 0; c < 3; ++c) sums[k][c] += area * colour(s)[c];
    }
    for (size_t k = 0; k < centres.size(); ++k) {
      if (areas[k] == 0.0) continue;
      for (int c = 0; c < 3; ++c) centres[k][c] = sums[k][c] / areas[k];
    }
  }
  return centres;
}

// The seed at point (row, column) of the grid.
SuperpixelSet SeedAt(const SuperpixelImage& image, int64_t row, int64_t column,
                     const RegionOptions& options) {
  const int32_t* label = image.labels.const_data_ptr<int32_t>();
  struct Range {
    int64_t point, begin, end;
  };
  const auto range = [&](int64_t k, int64_t size) {
    const double at = (static_cast<double>(k) + 0.5) /
                      static_cast<double>(options.seeds) *
                      static_cast<double>(size);
    const double half = 0.5 * options.seed_size * static_cast<double>(size);
    return Range{static_cast<int64_t>(at),
                 std::max<int64_t>(0, std::llround(at - half)),
                 std::min<int64_t>(size, std::llround(at + half))};
  };
  const Range y = range(row, image.height), x = range(column, image.width);
  std::vector<int64_t> covered(image.size(), 0);
  for (int64_t v = y.begin; v < y.end; ++v) {
    for (int64_t u = x.begin; u < x.end; ++u) {
      ++covered[label[v * image.width + u]];
    }
  }
  const int32_t middle = label[y.point * image.width + x.point];
  SuperpixelSet seed;
  for (int32_t s = 0; s < image.size(); ++s) {
    if (s == middle || 2 * covered[s] >= image.graph.area[s]) seed.push_back(s);
  }
  return seed;
}

// What the image's border costs each superpixel of the foreground.
std::vector<double> BorderCosts(const SuperpixelImage& image,
                                const SuperpixelSet& seed, double weight) {
  double y = 0.0, x = 0.0, area = 0.0;
  for (const int32_t s : seed) {
    const double share = static_cast<double>(image.graph.area[s]);
    y += share * image.centre[s][0];
    x += share * image.centre[s][1];
    area += share;
  }
  std::vector<double> sides(image.size()), distance(image.size(), 0.0);
  double greatest = 0.0;
  for (int64_t s = 0; s < image.size(); ++s) {
    const auto& border = image.border[s];
    sides[s] =
        static_cast<double>(border[0] + border[1] + border[2] + border[3]);
    if (sides[s] == 0.0) continue;
    distance[s] = std::hypot(image.centre[s][0] - y / area,
                             image.centre[s][1] - x / area);
    greatest = std::max(greatest, distance[s]);
  }
  std::vector<double> costs(image.size(), 0.0);
  if (greatest == 0.0) return costs;
  for (int64_t s = 0; s < image.size(); ++s) {
    costs[s] =
        weight * distance[s] / greatest * sides[s] / std::sqrt(image.pixels());
  }
  return costs;
}

}  // namespace

std::vector<std::vector<uint8_t>> SweepLambda(
    const SuperpixelImage& image, const SeededCut& cut,
    absl::Span<const double> lambdas) {
  const int64_t n = image.size();
  const auto sized = [n](const std::vector<double>& values) {
    return static_cast<int64_t>(values.size()) == n;
  };
  TORCH_CHECK(sized(cut.foreground) && sized(cut.background),
              "SweepLambda: foreground and background must have ", n,
              " values, got ", cut.foreground.size(), " and ",
              cut.background.size());
  TORCH_CHECK(std::is_sorted(lambdas.begin(), lambdas.end()) &&
                  (lambdas.empty() || lambdas.front() >= 0.0),
              "SweepLambda: lambdas must be >= 0 and ascending");
  if (lambdas.empty()) return {};

  struct Edge {
    int32_t from, to;
    double capacity;
  };
  std::vector<Edge> edges;
  double soft = 0.0;  // the sum of all that is not a seed's
  for (int32_t s = 0; s < n; ++s) {
    const auto& neighbours = image.graph.neighbours[s];
    for (size_t k = 0; k < neighbours.size(); ++k) {
      if (neighbours[k].label < s) continue;
      const double length = static_cast<double>(neighbours[k].boundary_length) /
                            std::sqrt(image.pixels());
      edges.push_back({s, neighbours[k].label, length * image.weight[s][k]});
      soft += 2.0 * edges.back().capacity;
    }
  }
  std::vector<double> share(n);
  for (int64_t s = 0; s < n; ++s) {
    share[s] = static_cast<double>(image.graph.area[s]) / image.pixels();
    soft += share[s] * (cut.foreground[s] + lambdas.back()) + cut.background[s];
  }
  const double hard = soft + 1.0;  // no cut is worth it
  const double scale =
      CapacityScale(soft + hard * static_cast<double>(cut.seed.size()));

  std::vector<FlowEdge> flow_edges;
  flow_edges.reserve(edges.size());
  for (const Edge& e : edges) {
    const int64_t capacity = std::llround(scale * e.capacity);
    flow_edges.push_back({e.from, e.to, capacity, capacity});
  }
  absl::StatusOr<MaxFlow> flow = MaxFlow::Create(n, flow_edges);
  TORCH_CHECK(flow.ok(), "SweepLambda: ", flow.status().ToString());
  std::vector<int64_t> source(n), sink(n);
  for (int64_t s = 0; s < n; ++s) {
    sink[s] = std::llround(scale * cut.background[s]);
  }
  std::vector<std::vector<uint8_t>> foregrounds;
  for (const double lambda : lambdas) {
    for (int64_t s = 0; s < n; ++s) {
      source[s] = std::llround(scale * share[s] * (cut.foreground[s] + lambda));
    }
    for (const int32_t s : cut.seed) source[s] = std::llround(scale * hard);
    absl::StatusOr<MinCut> found = flow->Solve(source, sink);
    TORCH_CHECK(found.ok(), "SweepLambda: ", found.status().ToString());
    foregrounds.push_back(std::move(found->source_side));
  }
  return foregrounds;
}

std::vector<double> LogSpaced(double least, double range, int64_t count) {
  std::vector<double> values(count);
  for (int64_t k = 0; k < count; ++k) {
    const double share =
        count == 1 ? 0.0
                   : static_cast<double>(k) / static_cast<double>(count - 1);
    values[k] = least * std::pow(range, share);
  }
  return values;
}

std::vector<SuperpixelSet> CutRegions(const SuperpixelImage& image,
                                      const RegionOptions& options) {
  const int64_t n = image.size();
  const std::vector<double> lambdas =
      LogSpaced(options.lambda_min, options.lambda_range, options.lambdas);
  SuperpixelSet frame;
  for (int32_t s = 0; s < n; ++s) {
    const auto& border = image.border[s];
    if (border[0] + border[1] + border[2] + border[3] > 0) frame.push_back(s);
  }
  const auto colour_unaries = [&](const SuperpixelSet& model) {
    const std::vector<Colour> centres =
        ColourCentres(image, model, options.colour_centres);
    std::vector<double> unaries(n);
    for (int64_t s = 0; s < n; ++s) {
      unaries[s] =
          options.colour_weight *
          std::exp(-options.colour_falloff *
                   NearestDistance(image.graph.mean_colour[s], centres));
    }
    return unaries;
  };
  const std::vector<double> frame_unaries = colour_unaries(frame);

  std::set<SuperpixelSet> seeds, regions;
  for (int64_t row = 0; row < options.seeds; ++row) {
    for (int64_t column = 0; column < options.seeds; ++column) {
      seeds.insert(SeedAt(image, row, column, options));
    }
  }
  for (const SuperpixelSet& seed : seeds) {
    SeededCut uniform;
    uniform.seed = seed;
    uniform.foreground.assign(n, 0.0);
    uniform.background = BorderCosts(image, seed, options.border_weight);
    SeededCut coloured = uniform;
    coloured.foreground = colour_unaries(seed);
    for (int64_t s = 0; s < n; ++s) {
      coloured.background[s] += frame_unaries[s] *
                                static_cast<double>(image.graph.area[s]) /
                                image.pixels();
    }
    for (const SeededCut* cut : {&uniform, &coloured}) {
      for (const auto& foreground : SweepLambda(image, *cut, lambdas)) {
        std::vector<uint8_t> rest(n);
        for (int64_t s = 0; s < n; ++s) rest[s] = 1 - foreground[s];
        for (const auto& side : {foreground, rest}) {
          for (SuperpixelSet& piece : ConnectedPieces(image.graph, side)) {
            regions.insert(std::move(piece));
          }
        }
      }
    }
  }
  return {regions.begin(), regions.end()};
}

}  // namespace segnet_rerank
}  // namespace seg
