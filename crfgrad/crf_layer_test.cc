#include "crfgrad/crf_layer.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "common/io/safetensors.h"
#include "common/layers/permutohedral/features.h"
#include "common/layers/permutohedral/lattice.h"
#include "common/layers/simplex_projection/simplex_projection.h"
#include "common/testing/gradcheck.h"
#include "common/testing/status_matchers.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace crfgrad {
namespace {

using ::testing::HasSubstr;

CrfConfig SmallConfig() {
  CrfConfig config;
  config.spatial.radius = 1;
  config.spatial.weight = 0.3;
  config.spatial.theta = 1.0;
  config.bilateral.theta_position = 3;
  config.bilateral.theta_colour = 40;
  config.bilateral.weight = 0.4;
  return config;
}

at::Tensor RandomImages(int64_t n, int64_t height, int64_t width) {
  return at::randint(0, 256, {n, 3, height, width}, at::kDouble);
}

at::Tensor RandomProbabilities(at::IntArrayRef sizes) {
  return at::softmax(at::randn(sizes, at::kDouble), 1);
}

at::Tensor Named(CrfLayer& layer, const std::string& name) {
  return layer->named_parameters()[name];
}

// Perturbs the filters so that no symmetry of the start hides an error.
void Randomise(CrfLayer& layer, double scale) {
  const c10::AutoGradMode no_grad(false);
  for (at::Tensor& p : layer->parameters()) {
    p.add_(at::randn_like(p), scale);
  }
}

// The same function written out with a dense matrix K: K e_j column by column
// from linear terms, then plain projected descent.
at::Tensor DenseReference(CrfLayer& layer, const at::Tensor& z,
                          const LatticeVector& lattices) {
  const CrfConfig& config = layer->config();
  const int64_t size = z.numel();
  // E(q) is quadratic with E_quadratic(q) = <q, K q> / 2, so the symmetric part
  // of K follows from energies; the layer here is tied, K is symmetric.
  const auto quadratic = [&](const at::Tensor& q) {
    const at::Tensor u =
        -Named(layer, "unary_weight") * at::log(z + config.epsilon);
    return layer->Energy(z, q, lattices).item<double>() -
           (u * q).sum().item<double>();
  };
  at::Tensor k = at::zeros({size, size}, at::kDouble);
  std::vector<double> diagonal(size);
  const auto unit = [&](int64_t i) {
    at::Tensor e = at::zeros({size}, at::kDouble);
    e[i] = 1.0;
    return e;
  };
  for (int64_t i = 0; i < size; ++i) {
    diagonal[i] = quadratic(unit(i).view_as(z));
    k[i][i] = 2 * diagonal[i];
  }
  for (int64_t i = 0; i < size; ++i) {
    for (int64_t j = 0; j < i; ++j) {
      const double both = quadratic((unit(i) + unit(j)).view_as(z));
      const double value = both - diagonal[i] - diagonal[j];
      k[i][j] = value;
      k[j][i] = value;
    }
  }
  const at::Tensor unary =
      -Named(layer, "unary_weight") * at::log(z + config.epsilon);
  at::Tensor q = z;
  for (int64_t t = 0; t < config.iterations; ++t) {
    const at::Tensor gradient =
        unary + at::matmul(k, q.reshape({size})).view_as(z);
    q = SimplexProjection(q - config.step * gradient, config.leak);
  }
  return q;
}

class CrfLayerTest : public testing::Test {
 protected:
  void SetUp() override { at::manual_seed(11); }
};

TEST_F(CrfLayerTest, WithoutTermsOneStepByHand) {
  CrfConfig config;
  config.spatial.mode = TermMode::kOff;
  config.bilateral.mode = TermMode::kOff;
  config.iterations = 1;
  config.epsilon = 1e-12;
  config.unary_weight = 0.5;
  config.step = 0.5;
  CrfLayer layer(config, 2);
  layer->to(at::kDouble);
  const at::Tensor z = at::tensor({0.8, 0.2}, at::kDouble).view({1, 2, 1, 1});
  const at::Tensor q = layer->forward(z, {});
  // q - 0.5 * 0.5 * (-log z) = (0.744214, -0.202359); tau = -0.229073.
  const double a = 0.8 + 0.25 * std::log(0.8);
  const double b = 0.2 + 0.25 * std::log(0.2);
  const double tau = (a + b - 1) / 2;
  EXPECT_NEAR(q[0][0][0][0].item<double>(), a - tau, 1e-10);
  EXPECT_NEAR(q[0][1][0][0].item<double>(), b - tau, 1e-10);
}

TEST_F(CrfLayerTest, MatchesADenseMatrix) {
  CrfConfig config = SmallConfig();
  config.spatial.tied = true;
  config.bilateral.tied = true;
  config.iterations = 3;
  config.leak = 0.3;
  CrfLayer layer(config, 2);
  layer->to(at::kDouble);
  Randomise(layer, 0.1);
  const at::Tensor z = RandomProbabilities({1, 2, 3, 4});
  const LatticeVector lattices = layer->BuildLattices(RandomImages(1, 3, 4));
  const at::Tensor q = layer->forward(z, lattices);
  // Entries of K come from differences of energies: a few 1e-15 each.
  EXPECT_TRUE(
      at::allclose(q, DenseReference(layer, z, lattices), 1e-11, 1e-11));
}

double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// Another implementation of the same equations (testdata/make_golden.py):
// spatial and bilateral term, projection, and the gradients of all four inputs.
TEST_F(CrfLayerTest, EqualsTheEquationsWrittenInPython) {
  ASSERT_OK_AND_ASSIGN(
      const TensorMap golden,
      ReadSafetensors("crfgrad/testdata/crf_layer.safetensors"));
  CrfConfig exact;
  exact.spatial.radius = 1;
  exact.bilateral.theta_position = 3;
  exact.bilateral.theta_colour = 40;
  CrfConfig leaky_tied = exact;
  leaky_tied.iterations = 3;
  leaky_tied.leak = 0.3;
  leaky_tied.initial = CrfInitial::kUniform;
  leaky_tied.spatial.tied = leaky_tied.bilateral.tied = true;
  leaky_tied.spatial.mask_centre = false;

  for (const auto& [name, config] :
       {std::make_pair(std::string("exact"), exact),
        std::make_pair(std::string("leaky_tied"), leaky_tied)}) {
    SCOPED_TRACE(name);
    CrfLayer layer(config, 3);
    layer->to(at::kDouble);
    for (const auto& parameter : layer->named_parameters()) {
      const c10::AutoGradMode no_grad(false);
      const at::Tensor& value = golden.at(parameter.key());
      ASSERT_EQ(parameter.value().sizes(), value.sizes()) << parameter.key();
      parameter.value().copy_(value);
    }
    // The layer's own features are float; the golden ones are double.
    LatticeVector lattices;
    for (const at::Tensor& features : golden.at("features").unbind()) {
      lattices.push_back(PermutohedralLattice::Build(features));
    }
    at::Tensor z = golden.at("z").clone().set_requires_grad(true);
    const at::Tensor q = layer->forward(z, lattices);
    (q * golden.at("cotangent")).sum().backward();
    // Both compute in double; they differ in the order of their sums.
    EXPECT_LT(LargestDifference(q, golden.at(name + ".q")), 1e-12);
    const std::string prefix = name + ".gradient.";
    EXPECT_LT(LargestDifference(z.grad(), golden.at(prefix + "z")), 1e-12);
    for (const auto& parameter : layer->named_parameters()) {
      EXPECT_LT(LargestDifference(parameter.value().grad(),
                                  golden.at(prefix + parameter.key())),
                1e-12)
          << parameter.key();
    }
    // Features as float: relative error 6e-8, times coordinates of some tens
    // and the gain of the iterations.
    EXPECT_LT(LargestDifference(
                  layer->forward(z, layer->BuildLattices(golden.at("images"))),
                  golden.at(name + ".q")),
              1e-5);
  }
}

TEST_F(CrfLayerTest, GradientsOfTheWholeLayer) {
  for (const int64_t iterations : {1, 3}) {
    for (const double leak : {0.0, 0.5}) {
      CrfConfig config = SmallConfig();
      config.iterations = iterations;
      config.leak = leak;
      config.step = 0.2;
      CrfLayer layer(config, 3);
      layer->to(at::kDouble);
      Randomise(layer, 0.05);
      // Well inside the simplex: away from the projection's kinks.
      const at::Tensor z =
          at::softmax(0.3 * at::randn({2, 3, 3, 3}, at::kDouble), 1);
      const LatticeVector lattices =
          layer->BuildLattices(RandomImages(2, 3, 3));
      const std::vector<at::Tensor> inputs = {
          z, Named(layer, "unary_weight").detach().clone(),
          Named(layer, "spatial.weight").detach().clone(),
          Named(layer, "bilateral_filter").detach().clone()};
      EXPECT_TRUE(GradCheck(
          [&](const std::vector<at::Tensor>& in) {
            return ProjectedGradientDescent(in[0], {in[1], in[2], in[3]},
                                            lattices, config);
          },
          inputs))
          << "iterations " << iterations << ", leak " << leak;
    }
  }
}

TEST_F(CrfLayerTest, EnergyFallsWithASmallStep) {
  CrfConfig config = SmallConfig();
  config.spatial.tied = true;
  config.bilateral.tied = true;
  config.iterations = 30;
  config.step = 0.05;  // below 2 / lambda_max: weights 0.3 and 0.4, normalised
  CrfLayer layer(config, 3);
  layer->to(at::kDouble);
  Randomise(layer, 0.02);
  const at::Tensor z = RandomProbabilities({2, 3, 6, 7});
  const LatticeVector lattices = layer->BuildLattices(RandomImages(2, 6, 7));
  std::vector<at::Tensor> states;
  layer->forward(z, lattices, &states);
  ASSERT_EQ(states.size(), 31u);
  for (size_t t = 1; t < states.size(); ++t) {
    const at::Tensor change = layer->Energy(z, states[t], lattices) -
                              layer->Energy(z, states[t - 1], lattices);
    EXPECT_LE(change.max().item<double>(), 1e-12) << "iteration " << t;
  }
}

TEST_F(CrfLayerTest, ExactProjectionStaysOnTheSimplex) {
  CrfLayer layer(SmallConfig(), 4);
  layer->to(at::kDouble);
  const at::Tensor z = RandomProbabilities({2, 4, 5, 6});
  const at::Tensor q =
      layer->forward(z, layer->BuildLattices(RandomImages(2, 5, 6)));
  EXPECT_GE(q.min().item<double>(), 0.0);
  EXPECT_TRUE(at::allclose(q.sum(1), at::ones({2, 5, 6}, at::kDouble)));
}

TEST_F(CrfLayerTest, BothStartsAgreeWithoutLeak) {
  // They differ by a term equal for all labels of a pixel as long as q sums to
  // one, which the exact projection removes.
  CrfConfig config = SmallConfig();
  const at::Tensor z = RandomProbabilities({1, 3, 5, 6});
  const at::Tensor images = RandomImages(1, 5, 6);
  std::vector<at::Tensor> results;
  for (const CrfStart start : {CrfStart::kDiagonal, CrfStart::kPotts}) {
    config.start = start;
    CrfLayer layer(config, 3);
    layer->to(at::kDouble);
    results.push_back(layer->forward(z, layer->BuildLattices(images)));
  }
  // Filters are float32 constants before the conversion.
  EXPECT_TRUE(at::allclose(results[0], results[1], 1e-6, 1e-6));
}

TEST_F(CrfLayerTest, GaussianTermsAreFixedAndOffTermsAbsent) {
  CrfConfig config = SmallConfig();
  config.spatial.mode = TermMode::kGaussian;
  config.bilateral.mode = TermMode::kOff;
  CrfLayer layer(config, 2);
  EXPECT_FALSE(Named(layer, "spatial.weight").requires_grad());
  EXPECT_FALSE(layer->uses_lattice());
  EXPECT_EQ(layer->parameters().size(), 2u);
}

TEST_F(CrfLayerTest, ParameterCounts) {
  CrfConfig config;
  CrfLayer layer(config, 21);
  EXPECT_EQ(Named(layer, "spatial.weight").numel(), 81 * 21 * 21);
  EXPECT_EQ(Named(layer, "bilateral_filter").numel(), 63 * 21 * 21);
  EXPECT_EQ(Named(layer, "unary_weight").numel(), 1);
}

TEST_F(CrfLayerTest, ABatchIsItsImages) {
  CrfLayer layer(SmallConfig(), 3);
  layer->to(at::kDouble);
  const at::Tensor z = RandomProbabilities({3, 3, 4, 5});
  const at::Tensor images = RandomImages(3, 4, 5);
  const at::Tensor all = layer->forward(z, layer->BuildLattices(images));
  for (int64_t i = 0; i < 3; ++i) {
    const at::Tensor one = layer->forward(
        z.slice(0, i, i + 1), layer->BuildLattices(images.slice(0, i, i + 1)));
    EXPECT_TRUE(at::allclose(one, all.slice(0, i, i + 1), 1e-12, 1e-12));
  }
  EXPECT_EQ(layer->forward(z.slice(0, 0, 0), {}).size(0), 0);
}

TEST_F(CrfLayerTest, FloatFollowsDouble) {
  CrfLayer layer(SmallConfig(), 3);
  const at::Tensor z = RandomProbabilities({1, 3, 8, 9});
  const LatticeVector lattices = layer->BuildLattices(RandomImages(1, 8, 9));
  const at::Tensor single = layer->forward(z.to(at::kFloat), lattices);
  layer->to(at::kDouble);
  const at::Tensor twice = layer->forward(z, lattices);
  // Five steps of sums of some hundred float terms.
  EXPECT_TRUE(at::allclose(single.to(at::kDouble), twice, 1e-4, 1e-5));
}

// The lattice's embedding depends on the order of the features.
TEST_F(CrfLayerTest, OrderOfTheBilateralFeatures) {
  const at::Tensor images = RandomImages(1, 6, 7);
  const at::Tensor z = RandomProbabilities({1, 3, 6, 7});
  at::Tensor results[2];
  for (const bool released : {false, true}) {
    CrfConfig config = SmallConfig();
    config.spatial.mode = TermMode::kOff;
    if (released) config.bilateral.order = BilateralOrder::kYXBGR;
    CrfLayer layer(config, 3);
    layer->to(at::kDouble);
    const LatticeVector lattices = layer->BuildLattices(images);
    const LatticeVector expected = {
        PermutohedralLattice::Build(BilateralFeatures(
            images[0], config.bilateral.theta_position,
            config.bilateral.theta_colour,
            released ? BilateralOrder::kYXBGR : BilateralOrder::kXYRGB))};
    results[released] = layer->forward(z, lattices);
    EXPECT_TRUE(at::equal(results[released], layer->forward(z, expected)));
  }
  EXPECT_FALSE(at::equal(results[0], results[1]));
}

TEST_F(CrfLayerTest, WhatBreaksARuleIsRefused) {
  CrfConfig config;
  config.leak = 1.5;
  EXPECT_THAT(ErrorOf([&] { CrfLayer layer(config, 3); }),
              HasSubstr("leak: must lie in [0, 1], got 1.5"));
}

TEST_F(CrfLayerTest, ErrorsNameTheArgument) {
  CrfLayer layer(SmallConfig(), 3);
  const auto message = [&](const at::Tensor& z) -> std::string {
    try {
      layer->forward(z, {});
    } catch (const c10::Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_THAT(message(at::zeros({1, 2, 4, 4})),
              HasSubstr("z must be [N,3,H,W]"));
  EXPECT_THAT(message(at::zeros({1, 3, 4, 4}, at::kDouble)),
              HasSubstr("the layer's type"));
  EXPECT_THAT(message(at::zeros({1, 3, 4, 4})),
              HasSubstr("expected one lattice an image, 1, got 0"));
}

}  // namespace
}  // namespace crfgrad
}  // namespace seg
