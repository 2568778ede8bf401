#include "segnet_rerank/o2p/crf_proposals.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "absl/status/statusor.h"
#include "common/solvers/alpha_expansion.h"

namespace seg {
namespace segnet_rerank {

SEG_DEFINE_CONFIG(CrfConfig, proposals, lambda, smoothness, contrast)

std::vector<KeyRule> CrfConfig::Rules() {
  return {{"proposals", 1, 10000},
          {"lambda", 0, 1e3},
          {"smoothness", 0, 1e3},
          {"contrast", 1e-3, 1e6}};
}

namespace {

constexpr double kLeastProbability = 1e-4;
constexpr double kUnits = 1000.0;  // of integer energy in one

int64_t Units(double energy) { return std::llround(kUnits * energy); }

}  // namespace

Proposals CrfProposals(const at::Tensor& probabilities,
                       const at::Tensor& superpixels,
                       const SuperpixelGraph& graph, const CrfConfig& config) {
  const int64_t number = graph.size();
  TORCH_CHECK(probabilities.dim() == 2 && probabilities.size(0) == number &&
                  probabilities.size(1) >= 1 && probabilities.size(1) <= 256 &&
                  probabilities.is_cpu() &&
                  (probabilities.scalar_type() == at::kFloat ||
                   probabilities.scalar_type() == at::kDouble),
              "CrfProposals: probabilities must be float32 or float64 [",
              number, ",C] on the CPU, C 1 to 256, got ",
              probabilities.scalar_type(), " ", probabilities.sizes(), " on ",
              probabilities.device());
  TORCH_CHECK(superpixels.dim() == 2 && superpixels.scalar_type() == at::kInt &&
                  superpixels.is_cpu() && superpixels.numel() > 0 &&
                  superpixels.min().item<int32_t>() >= 0 &&
                  superpixels.max().item<int32_t>() == number - 1,
              "CrfProposals: superpixels must be int32 [H,W] on the CPU, 0 to ",
              number - 1, ", got ", superpixels.scalar_type(), " ",
              superpixels.sizes(), " on ", superpixels.device());
  TORCH_CHECK(
      config.proposals >= 1 && config.lambda >= 0.0 && config.lambda <= 1e3 &&
          config.smoothness >= 0.0 && config.smoothness <= 1e3 &&
          config.contrast > 0.0,
      "CrfProposals: proposals must be >= 1, lambda and smoothness 0 to "
      "1000 and contrast > 0, got ",
      config.proposals, ", ", config.lambda, ", ", config.smoothness, " and ",
      config.contrast);

  const at::Tensor kept = probabilities.to(at::kDouble).contiguous();
  const double* const probability = kept.const_data_ptr<double>();
  std::vector<int64_t> unaries(kept.numel());
  for (int64_t i = 0; i < kept.numel(); ++i) {
    TORCH_CHECK(probability[i] >= 0.0 && probability[i] <= 1.0,
                "CrfProposals: probabilities must be 0 to 1, got ",
                probability[i]);
    unaries[i] = Units(-std::log(std::max(probability[i], kLeastProbability)));
  }
  const double side = std::sqrt(static_cast<double>(superpixels.numel()) /
                                static_cast<double>(number));
  std::vector<PottsEdge> edges;
  for (int64_t s = 0; s < number; ++s) {
    for (const SuperpixelNeighbour& other : graph.neighbours[s]) {
      if (other.label < s) continue;  // each pair once
      const double length = static_cast<double>(other.boundary_length) / side;
      edges.push_back(
          {static_cast<int32_t>(s), other.label,
           Units(config.smoothness * length *
                 std::exp(-other.boundary_contrast / config.contrast))});
    }
  }
  const absl::StatusOr<std::vector<PottsSolution>> solutions = DiverseM(
      kept.size(1), unaries, edges, Units(config.lambda), config.proposals);
  TORCH_CHECK(solutions.ok(), "CrfProposals: ", solutions.status().ToString());

  const at::Tensor places = superpixels.to(at::kLong).view({-1});
  std::vector<at::Tensor> labels;
  std::vector<float> scores;
  for (const PottsSolution& solution : *solutions) {
    const at::Tensor label_of =
        at::tensor(solution.labels, at::kInt).to(at::kByte);
    labels.push_back(
        label_of.index_select(0, places).view(superpixels.sizes()));
    scores.push_back(
        static_cast<float>(-static_cast<double>(solution.energy) / kUnits));
  }
  return {at::stack(labels), at::tensor(scores, at::kFloat)};
}

}  // namespace segnet_rerank
}  // namespace seg
