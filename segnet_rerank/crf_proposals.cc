#include "segnet_rerank/crf_proposals.h"

#include <ATen/ATen.h>

#include <cmath>
#include <string>

#include "absl/status/statusor.h"
#include "common/solvers/alpha_expansion.h"
#include "common/solvers/superpixels.h"

namespace seg {
namespace segnet_rerank {
namespace {

// Energies are integers, in these steps.
constexpr double kScale = 1000;
constexpr double kLeastShare = 0.01;

int64_t Round(double value) { return std::llround(kScale * value); }

// Edges of the graph, each pair of neighbours once.
std::vector<PottsEdge> Edges(const SuperpixelGraph& graph,
                             const CrfConfig& config) {
  double length = 0, contrast = 0;
  int64_t pairs = 0;
  for (int64_t s = 0; s < graph.size(); ++s) {
    for (const SuperpixelNeighbour& other : graph.neighbours[s]) {
      if (other.label <= s) continue;
      length += static_cast<double>(other.boundary_length);
      contrast +=
          other.boundary_contrast * static_cast<double>(other.boundary_length);
      ++pairs;
    }
  }
  std::vector<PottsEdge> edges;
  const double mean_length =
      pairs > 0 ? length / static_cast<double>(pairs) : 1;
  const double mean_contrast = contrast > 0 ? contrast / length : 1;
  for (int64_t s = 0; s < graph.size(); ++s) {
    for (const SuperpixelNeighbour& other : graph.neighbours[s]) {
      if (other.label <= s) continue;
      const double d = other.boundary_contrast / mean_contrast;
      const double similarity =
          std::exp(-d / (2 * config.edge_sigma * config.edge_sigma));
      edges.push_back(
          {static_cast<int32_t>(s), other.label,
           Round(config.edge_weight * similarity *
                 static_cast<double>(other.boundary_length) / mean_length)});
    }
  }
  return edges;
}

}  // namespace

SEG_DEFINE_CONFIG(CrfConfig, edge_weight, edge_sigma, smoothing, lambda)

std::vector<KeyRule> CrfConfig::Rules() {
  return {{"edge_weight", 0, 1e4},
          {"edge_sigma", 1e-3, 1e3},
          {"smoothing", 1e-9, 1},
          {"lambda", 0, 1e4}};
}

Proposals CrfProposals(const at::Tensor& image, const at::Tensor& superpixels,
                       const at::Tensor& distribution, const CrfConfig& config,
                       int64_t count) {
  const SuperpixelGraph graph = MakeSuperpixelGraph(image, superpixels);
  TORCH_CHECK(distribution.dim() == 2 && distribution.size(0) == graph.size(),
              "distribution: expected [", graph.size(), ",C], got ",
              distribution.sizes());
  const int64_t classes = distribution.size(1);
  const at::Tensor kept =
      (std::get<0>(distribution.max(0)) >= kLeastShare).nonzero().flatten();
  const int64_t labels = kept.numel();
  TORCH_CHECK(labels > 0, "distribution: no class has a share");
  const double mean_area = static_cast<double>(superpixels.numel()) /
                           static_cast<double>(graph.size());
  const at::Tensor log = ((distribution.to(at::kDouble) + config.smoothing) /
                          (1 + static_cast<double>(classes) * config.smoothing))
                             .log()
                             .index_select(1, kept)
                             .contiguous();
  std::vector<int64_t> unaries(graph.size() * labels);
  for (int64_t s = 0; s < graph.size(); ++s) {
    for (int64_t l = 0; l < labels; ++l) {
      unaries[s * labels + l] =
          Round(-static_cast<double>(graph.area[s]) / mean_area *
                log.data_ptr<double>()[s * labels + l]);
    }
  }
  const absl::StatusOr<std::vector<PottsSolution>> solutions = DiverseM(
      labels, unaries, Edges(graph, config), Round(config.lambda), count);
  TORCH_CHECK(solutions.ok(), std::string(solutions.status().message()));
  Proposals proposals;
  const at::Tensor pixels = superpixels.flatten().to(at::kLong);
  const at::Tensor names = kept.to(at::kByte);
  std::vector<at::Tensor> maps;
  proposals.score = at::empty({count});
  for (int64_t m = 0; m < count; ++m) {
    const PottsSolution& solution = (*solutions)[m];
    const at::Tensor chosen =
        at::tensor(solution.labels, at::kInt).to(at::kLong);
    maps.push_back(names.index_select(0, chosen).index_select(0, pixels).view(
        superpixels.sizes()));
    proposals.score[m] = -static_cast<double>(solution.energy) /
                         (kScale * static_cast<double>(graph.size()));
  }
  proposals.labels = at::stack(maps);
  return proposals;
}

}  // namespace segnet_rerank
}  // namespace seg
