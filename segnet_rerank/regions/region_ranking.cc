#include "segnet_rerank/regions/region_ranking.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "c10/util/Exception.h"

namespace seg {
namespace segnet_rerank {
namespace {

double Area(const SuperpixelImage& image, const SuperpixelSet& members) {
  int64_t area = 0;
  for (const int32_t s : members) area += image.graph.area[s];
  return static_cast<double>(area);
}

double OverlapOf(double area_a, double area_b, double common) {
  return common / (area_a + area_b - common);
}

// The pixels of `members` at which inside[s] != 0.
double Common(const SuperpixelImage& image, const std::vector<uint8_t>& inside,
              const SuperpixelSet& members) {
  int64_t area = 0;
  for (const int32_t s : members) area += inside[s] * image.graph.area[s];
  return static_cast<double>(area);
}

std::vector<uint8_t> ToMask(const SuperpixelImage& image,
                            const SuperpixelSet& members) {
  std::vector<uint8_t> inside(image.size(), 0);
  for (const int32_t s : members) inside[s] = 1;
  return inside;
}

}  // namespace

RegionFeatures DescribeRegion(const SuperpixelImage& image,
                              const SuperpixelSet& members) {
  TORCH_CHECK(!members.empty(), "DescribeRegion: no members");
  const SuperpixelGraph& graph = image.graph;
  const std::vector<uint8_t> inside = ToMask(image, members);
  std::vector<uint8_t> beside(image.size(), 0);
  double border = 0.0, cut_length = 0.0, cut = 0.0, inner_length = 0.0,
         inner = 0.0, y = 0.0, x = 0.0;
  struct Mean {
    double area = 0.0;
    std::array<double, 3> colour{};

    void Add(double more, const std::array<double, 3>& c) {
      area += more;
      for (int i = 0; i < 3; ++i) colour[i] += more * c[i];
    }
  } in, out;
  for (const int32_t s : members) {
    const double area = static_cast<double>(graph.area[s]);
    in.Add(area, graph.mean_colour[s]);
    y += area * image.centre[s][0];
    x += area * image.centre[s][1];
    for (const int64_t side : image.border[s]) {
      border += static_cast<double>(side);
    }
    for (size_t k = 0; k < graph.neighbours[s].size(); ++k) {
      const SuperpixelNeighbour& n = graph.neighbours[s][k];
      const double length = static_cast<double>(n.boundary_length);
      if (inside[n.label]) {
        inner_length += length;
        inner += length * image.weight[s][k];
        continue;
      }
      cut_length += length;
      cut += length * image.weight[s][k];
      if (beside[n.label]) continue;
      beside[n.label] = 1;
      out.Add(static_cast<double>(graph.area[n.label]),
              graph.mean_colour[n.label]);
    }
  }
  RegionFeatures features;
  const double perimeter = border + cut_length;
  features.area = in.area / image.pixels();
  features.compactness = 16.0 * in.area / (perimeter * perimeter);
  features.border = border / perimeter;
  if (cut_length > 0.0) features.cut = cut / cut_length;
  if (inner_length > 0.0) features.inside = inner / inner_length;
  if (out.area > 0.0) {
    double squares = 0.0;
    for (int c = 0; c < 3; ++c) {
      const double d = in.colour[c] / in.area - out.colour[c] / out.area;
      squares += d * d;
    }
    features.colour = std::sqrt(squares) / 100.0;
  }
  // In units of half the image's sides; the corners have (1, 1).
  const double dy = 2.0 * (y / in.area + 0.5) / image.height - 1.0;
  const double dx = 2.0 * (x / in.area + 0.5) / image.width - 1.0;
  features.distance = std::sqrt(0.5 * (dy * dy + dx * dx));
  return features;
}

double ObjectScore(const RegionFeatures& f) {
  const double score = 0.1 + 0.9 * std::sqrt(f.area) - 0.7 * f.area +
                       0.2 * f.compactness - 0.3 * f.border - 0.5 * f.cut +
                       0.1 * f.inside + 0.3 * f.colour - 0.1 * f.distance;
  return std::clamp(score, 0.0, 1.0);
}

double Overlap(const SuperpixelImage& image, const SuperpixelSet& a,
               const SuperpixelSet& b) {
  if (a.empty() && b.empty()) return 0.0;
  return OverlapOf(Area(image, a), Area(image, b),
                   Common(image, ToMask(image, a), b));
}

std::vector<RankedRegion> RankRegions(const SuperpixelImage& image,
                                      std::vector<SuperpixelSet> candidates,
                                      const RegionOptions& options,
                                      const RegionScore& score) {
  std::sort(candidates.begin(), candidates.end());
  candidates.erase(std::unique(candidates.begin(), candidates.end()),
                   candidates.end());
  struct Candidate {
    SuperpixelSet members;
    double area = 0.0, score = 0.0;
    double overlap = 0.0;  // the greatest with a region that was taken
  };
  std::vector<Candidate> scored;
  for (SuperpixelSet& members : candidates) {
    if (members.empty()) continue;
    const RegionFeatures features = DescribeRegion(image, members);
    if (features.area < options.min_area || features.area > options.max_area ||
        features.cut > options.max_cut) {
      continue;
    }
    Candidate candidate;
    candidate.area = Area(image, members);
    candidate.score = score(features);
    TORCH_CHECK(std::isfinite(candidate.score),
                "RankRegions: the score of a region is ", candidate.score);
    candidate.members = std::move(members);
    scored.push_back(std::move(candidate));
  }
  std::stable_sort(
      scored.begin(), scored.end(),
      [](const Candidate& a, const Candidate& b) { return a.score > b.score; });

  std::vector<Candidate> kept;
  for (Candidate& c : scored) {
    const std::vector<uint8_t> inside = ToMask(image, c.members);
    const bool duplicate =
        std::any_of(kept.begin(), kept.end(), [&](const Candidate& k) {
          // An overlap is at most the ratio of the areas.
          const auto [low, high] = std::minmax(k.area, c.area);
          return low > options.duplicate_overlap * high &&
                 OverlapOf(k.area, c.area, Common(image, inside, k.members)) >
                     options.duplicate_overlap;
        });
    if (!duplicate) kept.push_back(std::move(c));
  }

  std::vector<RankedRegion> ranked;
  while (!kept.empty() &&
         static_cast<int64_t>(ranked.size()) < options.max_regions) {
    const auto value = [&](const Candidate& c) {
      return options.score_weight * c.score -
             options.overlap_weight * c.overlap;
    };
    const auto best = std::max_element(
        kept.begin(), kept.end(), [&](const Candidate& a, const Candidate& b) {
          return value(a) < value(b);
        });
    const Candidate taken = std::move(*best);
    kept.erase(best);
    ranked.push_back({taken.members, value(taken)});
    const std::vector<uint8_t> inside = ToMask(image, taken.members);
    for (Candidate& c : kept) {
      c.overlap = std::max(
          c.overlap,
          OverlapOf(c.area, taken.area, Common(image, inside, c.members)));
    }
  }
  return ranked;
}

}  // namespace segnet_rerank
}  // namespace seg
