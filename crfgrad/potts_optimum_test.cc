// Two labels and Potts weights that are not negative: the least energy of all
// labellings is a minimum cut. It is the floor of what inference finds. And
// what holds for any tied filters, on photographs.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "common/datasets/open.h"
#include "common/layers/permutohedral/features.h"
#include "common/solvers/max_flow.h"
#include "common/testing/status_matchers.h"
#include "crfgrad/crf_layer.h"
#include "crfgrad/energy.h"
#include "crfgrad/rounding.h"
#include "crfgrad/tiny_field.h"

namespace seg {
namespace crfgrad {
namespace {

// Energies are sums of some thousand terms; capacities are rounded to 1e-14 of
// their sum.
constexpr double kSlack = 1e-9;

// Both terms fixed Gaussians of Potts form. The normalised filters have
// eigenvalues in [-w, w]; the step is below 2 / (1 + 2).
CrfConfig Gaussians(bool bilateral) {
  CrfConfig config;
  config.iterations = 40;
  config.step = 0.15;
  config.start = CrfStart::kPotts;
  config.spatial.mode = TermMode::kGaussian;
  config.spatial.weight = 1;
  config.bilateral.mode = bilateral ? TermMode::kGaussian : TermMode::kOff;
  config.bilateral.theta_position = 5;
  config.bilateral.theta_colour = 15;
  config.bilateral.weight = 2;
  return config;
}

// What it costs that two pixels differ, w_ij, as a matrix [P,P].
at::Tensor PottsWeights(const CrfFilters& filters,
                        const LatticeVector& lattices, int64_t height,
                        int64_t width) {
  const int64_t pixels = height * width;
  const at::Tensor k = DenseK(filters, lattices.empty() ? nullptr : lattices[0],
                              2, height, width)
                           .reshape({2, pixels, 2, pixels});
  EXPECT_EQ(Value(k.select(2, 0).select(0, 0).abs().max()), 0);
  const at::Tensor weights = k.select(2, 1).select(0, 0).contiguous();
  EXPECT_TRUE(at::allclose(weights, weights.t(), 1e-12, 1e-12));
  return weights;
}

// The least of sum_i u[x_i,i] + sum_{i<j} w_ij [x_i != x_j], as labels.
//   unary: [2,H,W]
at::Tensor LeastEnergy(const at::Tensor& unary, const at::Tensor& weights,
                       double* least) {
  const int64_t height = unary.size(1), width = unary.size(2),
                pixels = height * width;
  const at::Tensor least_unary = unary.amin(0);
  // A pixel on the source's side has the label 0.
  const at::Tensor terminal = (unary - least_unary).reshape({2, pixels});
  const double scale =
      CapacityScale(Value(terminal.sum()) + Value(weights.clamp_min(0).sum()));
  const auto capacity = [&](double x) -> int64_t {
    return std::llround(std::max(x, 0.0) * scale);
  };
  const auto w = weights.accessor<double, 2>();
  std::vector<FlowEdge> edges;
  for (int32_t i = 0; i < pixels; ++i) {
    for (int32_t j = i + 1; j < pixels; ++j) {
      EXPECT_GE(w[i][j], -1e-12);
      if (w[i][j] <= 0) continue;
      edges.push_back({i, j, capacity(w[i][j]), capacity(w[i][j])});
    }
  }
  std::vector<int64_t> source, sink;
  const auto t = terminal.accessor<double, 2>();
  for (int64_t i = 0; i < pixels; ++i) {
    source.push_back(capacity(t[1][i]));
    sink.push_back(capacity(t[0][i]));
  }
  absl::StatusOr<MaxFlow> graph = MaxFlow::Create(pixels, edges);
  EXPECT_OK(graph.status());
  const absl::StatusOr<MinCut> cut = graph->Solve(source, sink);
  EXPECT_OK(cut.status());
  *least = static_cast<double>(cut->value) / scale + Value(least_unary.sum());
  at::Tensor labels = at::empty({pixels}, at::kLong);
  for (int64_t i = 0; i < pixels; ++i) labels[i] = 1 - cut->source_side[i];
  return labels.view({1, height, width});
}

// optimum <= rounding <= descent, which falls from step to step.
//   image: [1,3,H,W]; z: [1,2,H,W]
void CheckOrder(const CrfConfig& config, const at::Tensor& image,
                const at::Tensor& z) {
  CrfLayer layer(config, 2);
  layer->to(at::kDouble);
  LatticeVector lattices;
  if (layer->uses_lattice()) {
    // Barycentric weights in double: none below zero by more than 1e-12.
    lattices.push_back(PermutohedralLattice::Build(
        BilateralFeatures(image[0], config.bilateral.theta_position,
                          config.bilateral.theta_colour)
            .to(at::kDouble)));
  }
  const CrfFilters filters = layer->filters();
  const at::Tensor unary = CrfUnary(z, filters, config.epsilon).detach();
  const auto energy = [&](const at::Tensor& q) {
    return Value(CrfEnergy(unary, q, filters, lattices).Total());
  };
  const c10::AutoGradMode no_grad(false);
  double optimum = 0;
  const at::Tensor best = LeastEnergy(
      unary[0], PottsWeights(filters, lattices, z.size(2), z.size(3)),
      &optimum);
  // The graph is that of the energy.
  EXPECT_NEAR(energy(HardLabelling(best, z)), optimum, kSlack);

  std::vector<at::Tensor> states;
  layer->forward(z, lattices, &states);
  for (size_t t = 1; t < states.size(); ++t) {
    EXPECT_LE(energy(states[t]), energy(states[t - 1]) + kSlack) << t;
  }
  EXPECT_LT(energy(states.back()), energy(states.front()));
  const at::Tensor last = states.back();
  const double rounded = energy(
      HardLabelling(RoundSequentially(unary, last, filters, lattices), last));
  EXPECT_LE(rounded, energy(last) + kSlack);
  EXPECT_LE(optimum, rounded + kSlack);
  // Rounding goes below the start as well, and the optimum stays.
  EXPECT_LE(optimum, energy(HardLabelling(
                         RoundSequentially(unary, z, filters, lattices), z)) +
                         kSlack);
  EXPECT_TRUE(at::equal(
      RoundSequentially(unary, HardLabelling(best, z), filters, lattices),
      best));
}

// Probabilities as a poor network gives them: the truth blurred, and noise.
//   mask: [H,W], bool
at::Tensor NoisyProbabilities(const at::Tensor& mask) {
  at::Tensor soft = mask.to(at::kDouble).unsqueeze(0).unsqueeze(0);
  for (int i = 0; i < 2; ++i) soft = at::avg_pool2d(soft, 3, 1, 1);
  const at::Tensor score = 4 * (soft - 0.5) + at::randn_like(soft);
  return at::softmax(at::cat({-score, score}, 1), 1);
}

TEST(PottsOptimumTest, IsTheFloorOfInferenceOnADisc) {
  at::manual_seed(23);
  const int64_t height = 24, width = 32;
  const at::Tensor y = at::arange(height).view({-1, 1}) - 12;
  const at::Tensor x = at::arange(width).view({1, -1}) - 14;
  const at::Tensor disc = y * y + x * x < 64;
  const at::Tensor image = (disc.to(at::kDouble) * 90 + 80 +
                            12 * at::randn({1, 3, height, width}, at::kDouble))
                               .clamp(0, 255);
  for (const bool bilateral : {false, true}) {
    SCOPED_TRACE(bilateral);
    CheckOrder(Gaussians(bilateral), image, NoisyProbabilities(disc));
  }
}

// The first ten test images of Weizmann's horses, at height x width.
class TenHorsesTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* root = std::getenv("SEG_DATA_ROOT");
    if (root == nullptr ||
        !std::filesystem::exists(std::string(root) + "/weizmann_horse")) {
      GTEST_SKIP() << "no weizmann_horse under SEG_DATA_ROOT";
    }
    at::manual_seed(29);
    root_ = root;
  }

  //   check: of an image [1,3,H,W] and probabilities [1,2,H,W], both float64
  template <typename Check>
  void ForEach(int64_t height, int64_t width, Check check) const {
    DataConfig data;
    data.pack = "weizmann_horse";
    data.resize_height = height;
    data.resize_width = width;
    ASSERT_OK_AND_ASSIGN(const auto test, OpenDataset(data, root_, "test"));
    ASSERT_GE(test->size(), 10);
    for (int64_t i = 0; i < 10; ++i) {
      ASSERT_OK_AND_ASSIGN(const Sample sample, test->Get(i));
      SCOPED_TRACE(sample.id);
      check(sample.image.unsqueeze(0).to(at::kDouble),
            NoisyProbabilities(sample.mask == 1));
    }
  }

  std::string root_;
};

TEST_F(TenHorsesTest, TheOptimumIsTheFloorOfInference) {
  ForEach(24, 32, [](const at::Tensor& image, const at::Tensor& z) {
    CheckOrder(Gaussians(/*bilateral=*/true), image, z);
  });
}

// Tied filters of any sign, as training makes them from Gaussians.
TEST_F(TenHorsesTest, TiedFiltersDescendAndRoundingCostsNoMore) {
  CrfConfig config = Gaussians(/*bilateral=*/true);
  config.iterations = 15;
  config.step = 0.05;
  config.spatial.mode = config.bilateral.mode = TermMode::kLearned;
  config.spatial.tied = config.bilateral.tied = true;
  CrfLayer layer(config, 2);
  layer->to(at::kDouble);
  const c10::AutoGradMode no_grad(false);
  for (at::Tensor& parameter : layer->parameters()) {
    if (parameter.numel() > 1) parameter += 0.02 * at::randn_like(parameter);
  }
  ForEach(72, 96, [&](const at::Tensor& image, const at::Tensor& z) {
    const LatticeVector lattices = layer->BuildLattices(image);
    std::vector<at::Tensor> states;
    const at::Tensor q = layer->forward(z, lattices, &states);
    ASSERT_EQ(states.size(), 16u);
    std::vector<double> energies;
    for (const at::Tensor& state : states) {
      energies.push_back(Value(layer->Energy(z, state, lattices)));
    }
    for (size_t t = 1; t < energies.size(); ++t) {
      EXPECT_LE(energies[t], energies[t - 1] + kSlack) << t;
    }
    EXPECT_LT(energies.back(), energies.front());
    const CrfFilters filters = layer->filters();
    const at::Tensor unary = CrfUnary(z, filters, config.epsilon);
    const auto without_self = [&](const at::Tensor& x) {
      return Value(CrfEnergy(unary, x, filters, lattices).Total() -
                   CrfSelfEnergy(x, filters, lattices));
    };
    const at::Tensor hard = HardLabelling(
        RoundSequentially(unary, q, filters, lattices, SelfTerms::kLeftOut), q);
    EXPECT_LE(without_self(hard), without_self(q) + kSlack);
  });
}

}  // namespace
}  // namespace crfgrad
}  // namespace seg
