#include "segnet_rerank/o2p/crf_proposals.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "common/config/config.h"
#include "common/solvers/superpixels.h"
#include "common/testing/status_matchers.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace segnet_rerank {
namespace {

struct Problem {
  at::Tensor probabilities, superpixels;
  SuperpixelGraph graph;
};

// 3 x 3 superpixels of 2 x 2 pixels, each of one colour.
Problem MakeProblem(int64_t classes, int64_t seed) {
  at::manual_seed(seed);
  const at::Tensor coarse = at::randint(60, 100, {3, 3, 3}, at::kByte);
  const at::Tensor image =
      coarse.repeat_interleave(2, 1).repeat_interleave(2, 2);
  Problem problem;
  problem.probabilities = at::rand({9, classes}, at::kDouble).softmax(1);
  problem.superpixels = at::arange(9, at::kInt)
                            .view({3, 3})
                            .repeat_interleave(2, 0)
                            .repeat_interleave(2, 1);
  problem.graph = MakeSuperpixelGraph(image, problem.superpixels);
  return problem;
}

CrfConfig Config(int64_t proposals, double lambda) {
  CrfConfig config;
  config.proposals = proposals;
  config.lambda = lambda;
  return config;
}

// E of a labelling of the superpixels.
double Energy(const Problem& problem, const CrfConfig& config,
              const std::vector<int64_t>& labels) {
  double energy = 0.0;
  for (int64_t s = 0; s < 9; ++s) {
    energy -= std::log(problem.probabilities[s][labels[s]].item<double>());
    for (const SuperpixelNeighbour& other : problem.graph.neighbours[s]) {
      if (labels[s] == labels[other.label]) continue;
      // Halves, as pairs come twice; a mean superpixel has a side of 2.
      energy += 0.5 * config.smoothness *
                (static_cast<double>(other.boundary_length) / 2.0) *
                std::exp(-other.boundary_contrast / config.contrast);
    }
  }
  return energy;
}

std::vector<int64_t> SuperpixelLabels(const at::Tensor& labels) {
  std::vector<int64_t> result;
  for (const double label :
       Values(labels.slice(0, 0, 6, 2).slice(1, 0, 6, 2))) {
    result.push_back(static_cast<int64_t>(label));
  }
  return result;
}

TEST(CrfProposalsTest, TwoClassesGiveTheLeastEnergy) {
  for (int64_t seed = 0; seed < 5; ++seed) {
    const Problem problem = MakeProblem(2, seed);
    const CrfConfig config = Config(3, 0.3);
    const Proposals found = CrfProposals(
        problem.probabilities, problem.superpixels, problem.graph, config);
    ASSERT_EQ(found.labels.sizes(), at::IntArrayRef({3, 6, 6}));
    ASSERT_EQ(found.labels.scalar_type(), at::kByte);
    double least = std::numeric_limits<double>::infinity();
    for (int64_t bits = 0; bits < 512; ++bits) {
      std::vector<int64_t> labels;
      for (int64_t s = 0; s < 9; ++s) labels.push_back(bits >> s & 1);
      least = std::min(least, Energy(problem, config, labels));
    }
    // 21 terms rounded to thousandths
    EXPECT_NEAR(-found.score[0].item<double>(), least, 0.011);
    for (int64_t m = 0; m < 3; ++m) {
      EXPECT_NEAR(-found.score[m].item<double>(),
                  Energy(problem, config, SuperpixelLabels(found.labels[m])),
                  0.011);
      EXPECT_LE(found.score[m].item<double>(), found.score[0].item<double>());
    }
  }
}

TEST(CrfProposalsTest, LambdaMakesThemDiffer) {
  const Problem problem = MakeProblem(4, 1);
  const auto with = [&](double lambda) {
    return CrfProposals(problem.probabilities, problem.superpixels,
                        problem.graph, Config(3, lambda))
        .labels;
  };
  const at::Tensor copies = with(0.0);
  EXPECT_TRUE(at::equal(copies, copies.slice(0, 0, 1).expand({3, 6, 6})));
  // Each superpixel has three labels, as long as there are labels left.
  const at::Tensor different = with(900.0);
  EXPECT_TRUE((different[0] != different[1]).all().item<bool>());
  EXPECT_TRUE((different[0] != different[2]).all().item<bool>());
  EXPECT_TRUE((different[1] != different[2]).all().item<bool>());
}

TEST(CrfProposalsTest, WithoutEdgesEachTakesItsBestClass) {
  Problem problem = MakeProblem(5, 2);
  problem.probabilities[0].fill_(0);  // as if all were 1e-4: the first
  CrfConfig config = Config(1, 0.0);
  config.smoothness = 0.0;
  const Proposals found = CrfProposals(
      problem.probabilities, problem.superpixels, problem.graph, config);
  EXPECT_EQ(SuperpixelLabels(found.labels[0]), [&] {
    std::vector<int64_t> best;
    for (const double label : Values(problem.probabilities.argmax(1)))
      best.push_back(static_cast<int64_t>(label));
    best[0] = 0;
    return best;
  }());
}

TEST(CrfProposalsTest, Errors) {
  const Problem problem = MakeProblem(2, 1);
  const auto run = [&](const at::Tensor& probabilities,
                       const CrfConfig& config) {
    return [&problem, probabilities, config] {
      CrfProposals(probabilities, problem.superpixels, problem.graph, config);
    };
  };
  ExpectError(
      run(at::zeros({8, 2}), {}),
      "probabilities must be float32 or float64 [9,C] on the CPU, C 1 to "
      "256, got Float [8, 2]");
  ExpectError(run(at::full({9, 2}, 1.5), {}),
              "probabilities must be 0 to 1, got 1.5");
  ExpectError(run(problem.probabilities, Config(0, 0.5)),
              "proposals must be >= 1");
  ExpectError(
      [&] {
        CrfProposals(problem.probabilities, problem.superpixels - 1,
                     problem.graph, {});
      },
      "superpixels must be int32 [H,W] on the CPU, 0 to 8");
}

TEST(CrfProposalsTest, ConfigBindsToYaml) {
  CrfConfig config;
  ASSERT_OK(
      ParseConfig("lambda: 0.1\n", "test.yaml", {"smoothness=2"}, &config));
  EXPECT_EQ(config.smoothness, 2.0);
  EXPECT_FALSE(ParseConfig("contrast: 0\n", "test.yaml", {}, &config).ok());
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
