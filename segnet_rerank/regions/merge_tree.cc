#include "segnet_rerank/regions/merge_tree.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <utility>

namespace seg {
namespace segnet_rerank {
namespace {

// A region that has not been merged yet.
struct Node {
  SuperpixelSet members;
  double area = 0.0;
  std::array<double, 3> colour{};  // mean
};

// The boundary between two regions.
struct Boundary {
  double length = 0.0;
  double strength = 0.0;  // summed over its length
};

}  // namespace

std::vector<SuperpixelSet> MergeTreeRegions(const SuperpixelImage& image) {
  const int64_t n = image.size();
  std::vector<Node> nodes(n);
  std::map<std::pair<int32_t, int32_t>, Boundary> boundaries;
  double length = 0.0, difference = 0.0;
  for (int32_t s = 0; s < n; ++s) {
    nodes[s] = {{s},
                static_cast<double>(image.graph.area[s]),
                image.graph.mean_colour[s]};
    const auto& neighbours = image.graph.neighbours[s];
    for (size_t k = 0; k < neighbours.size(); ++k) {
      if (neighbours[k].label < s) continue;
      const double l = static_cast<double>(neighbours[k].boundary_length);
      boundaries[{s, neighbours[k].label}] = {l, l * image.strength[s][k]};
      length += l;
      difference += l * neighbours[k].colour_difference;
    }
  }
  // As for the strengths.
  const double unit = std::max(1.0, difference / std::max(1.0, length));

  std::vector<SuperpixelSet> regions;
  for (const Node& node : nodes) regions.push_back(node.members);
  const auto cost = [&](int32_t a, int32_t b, const Boundary& boundary) {
    const double d = boundary.strength / boundary.length;
    double sum = d * d;
    for (int c = 0; c < 3; ++c) {
      const double e = (nodes[a].colour[c] - nodes[b].colour[c]) / unit;
      sum += e * e;
    }
    return sum * nodes[a].area * nodes[b].area /
           (nodes[a].area + nodes[b].area);
  };
  while (!boundaries.empty()) {
    auto least = boundaries.begin();
    double least_cost = std::numeric_limits<double>::infinity();
    for (auto it = boundaries.begin(); it != boundaries.end(); ++it) {
      const double c = cost(it->first.first, it->first.second, it->second);
      if (c < least_cost) least_cost = c, least = it;
    }
    // A region is known by its first superpixel.
    const auto [into, from] = least->first;
    boundaries.erase(least);
    Node& a = nodes[into];
    Node& b = nodes[from];
    for (int c = 0; c < 3; ++c) {
      a.colour[c] =
          (a.area * a.colour[c] + b.area * b.colour[c]) / (a.area + b.area);
    }
    a.area += b.area;
    SuperpixelSet members;
    std::merge(a.members.begin(), a.members.end(), b.members.begin(),
               b.members.end(), std::back_inserter(members));
    a.members = std::move(members);
    b.members.clear();
    for (auto it = boundaries.begin(); it != boundaries.end();) {
      auto [low, high] = it->first;
      if (low != from && high != from) {
        ++it;
        continue;
      }
      const int32_t other = low == from ? high : low;
      Boundary& joined = boundaries[std::minmax(into, other)];
      joined.length += it->second.length;
      joined.strength += it->second.strength;
      it = boundaries.erase(it);
    }
    if (static_cast<int64_t>(a.members.size()) < n) {
      regions.push_back(a.members);
    }
  }
  if (n == 1) regions.clear();
  return regions;
}

}  // namespace segnet_rerank
}  // namespace seg
