// Hand-worked cases, the reference, finite differences.

#include "common/layers/spatial_propagation/spatial_propagation.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <string>
#include <vector>

#include "common/layers/spatial_propagation/spatial_propagation_reference.h"
#include "common/testing/gradcheck.h"

namespace seg {
namespace spatial_propagation_test {
namespace {

using ::testing::ElementsAre;

TEST(SpatialPropagationTest, HandWorkedOneWay) {
  // h = 1, (1 - 0.5) 2 + 0.5 1 = 1.5, (1 - 0.25) 4 + 0.25 1.5 = 3.375.
  const at::Tensor x = at::tensor({1.0, 2.0, 4.0}).view({1, 1, 1, 3});
  const at::Tensor gates = at::tensor({9.0, 0.5, 0.25}).view({1, 1, 1, 3});
  const auto options = Options(false, Rule::kNone);
  const auto scan = [&](ScanDirection direction) {
    return Values(SpatialPropagationScan(
        x.to(at::kDouble), gates.to(at::kDouble), direction, options));
  };
  EXPECT_THAT(scan(ScanDirection::kLeftToRight), ElementsAre(1, 1.5, 3.375));
  // 4, 0.5 2 + 0.5 4 = 3, (1 - 9) 1 + 9 3 = 19.
  EXPECT_THAT(scan(ScanDirection::kRightToLeft), ElementsAre(19, 3, 4));
  // One row: nothing above or below.
  EXPECT_THAT(scan(ScanDirection::kTopToBottom), ElementsAre(1, 2, 4));
  EXPECT_THAT(scan(ScanDirection::kBottomToTop), ElementsAre(1, 2, 4));
}

TEST(SpatialPropagationTest, HandWorkedThreeWay) {
  // Columns (1, 2, 3) and (10, 20, 30); gates of the second column.
  const at::Tensor x =
      at::tensor({1.0, 10.0, 2.0, 20.0, 3.0, 30.0}, at::kDouble)
          .view({1, 1, 3, 2});
  at::Tensor gates = at::full({1, 3, 3, 2}, 7.0, at::kDouble);
  gates.select(3, 1).copy_(
      at::tensor({0.5, 0.25, 0.125, 0.25, 0.5, 0.25, 0.125, 0.25, 0.5},
                 at::kDouble)
          .view({1, 3, 3}));
  // Row 0 (no g_-1): 0.25 h0 + 0.125 h1 + (1 - 0.375) 10 = 0.25 + 0.25 + 6.25.
  // Row 1: 0.25 1 + 0.5 2 + 0.25 3 + 0 = 2.
  // Row 2 (no g_+1): 0.125 2 + 0.25 3 + 0.625 30 = 19.75.
  EXPECT_THAT(
      Values(SpatialPropagationScan(x, gates, ScanDirection::kLeftToRight,
                                    Options(true, Rule::kNone))
                 .select(3, 1)),
      ElementsAre(6.75, 2.0, 19.75));
}

TEST(SpatialPropagationTest, HandWorkedNormalisation) {
  // The middle lane of three: all gates are used.
  const auto middle = [](Rule rule, std::vector<double> gates) {
    const at::Tensor x = at::tensor({1.0, 0.0, 2.0, 0.0, 4.0, 0.0}, at::kDouble)
                             .view({1, 1, 3, 2});
    at::Tensor g = at::zeros({1, 3, 3, 2}, at::kDouble);
    for (int64_t k = 0; k < 3; ++k) g[0][k][1][1] = gates[k];
    return SpatialPropagationScan(x, g, ScanDirection::kLeftToRight,
                                  Options(true, rule))[0][0][1][1]
        .item<double>();
  };
  // h = p_-1 + 2 p_0 + 4 p_+1.
  EXPECT_DOUBLE_EQ(middle(Rule::kNone, {1.0, -0.5, 0.25}), 1.0);
  EXPECT_DOUBLE_EQ(middle(Rule::kDivide, {1.0, -2.0, 1.0}), 0.25);
  EXPECT_DOUBLE_EQ(middle(Rule::kDivide, {0.25, -0.5, 0.25}), 0.25);
  EXPECT_DOUBLE_EQ(middle(Rule::kClamp, {1.0, -2.0, 1.0}), 0.25);
  EXPECT_DOUBLE_EQ(middle(Rule::kClamp, {0.25, -0.5, 0.125}), -0.25);
  EXPECT_DOUBLE_EQ(middle(Rule::kDividePlus, {1.0, -2.0, 1.0}),
                   1.0 / (4.0 + 1e-8));
  const double t = std::tanh(0.3);
  EXPECT_NEAR(middle(Rule::kTanh, {0.3, 0.3, 0.3}), 7.0 * t, 1e-15);
  // tanh(30) = 1: three of them are divided by 3.
  EXPECT_DOUBLE_EQ(middle(Rule::kTanh, {30.0, 30.0, 30.0}), 7.0 / 3.0);
  // All gates zero: h = x = 0 under every rule.
  for (Rule rule : {Rule::kNone, Rule::kTanh, Rule::kDivide, Rule::kClamp,
                    Rule::kDividePlus}) {
    EXPECT_EQ(middle(rule, {0.0, 0.0, 0.0}), 0.0);
  }
  // Below the floor of kDivide the division is by 1e-6.
  EXPECT_DOUBLE_EQ(middle(Rule::kDivide, {1e-7, 0.0, 0.0}), 0.1);
}

TEST(SpatialPropagationTest, MatchesTheReferenceWithGradients) {
  struct Case {
    int64_t n, c, h, w;
  };
  for (const auto& options : AllOptions()) {
    for (const Case& s : std::vector<Case>{{2, 5, 9, 7},
                                           {1, 1, 4, 19},
                                           {1, 21, 18, 3},
                                           {1, 32, 5, 37},
                                           {1, 40, 3, 2},
                                           {2, 150, 3, 4},
                                           {2, 3, 34, 33},
                                           {1, 4, 1, 6},
                                           {1, 4, 6, 1},
                                           {2, 6, 1, 1}}) {
      const at::Tensor x = Random({s.n, s.c, s.h, s.w});
      const at::Tensor gates = RandomGates(x, options);
      const at::Tensor cotangent = Random(x.sizes(), 5);
      const ReferenceResult expected =
          Reference(x, gates, Directions(), options, cotangent);
      // Rounding of at most 37 steps whose values stay below about 10; the
      // gradient of the raw gates has a factor 1 / S of up to 100.
      const auto check = [&](const std::vector<at::Tensor>& actual,
                             const char* layout) {
        const std::string where =
            Name(options) + ", " + layout + ", C " + std::to_string(s.c) +
            ", " + std::to_string(s.h) + " x " + std::to_string(s.w);
        EXPECT_TRUE(at::allclose(actual[0], expected.out, 1e-12, 1e-12))
            << where;
        EXPECT_TRUE(at::allclose(actual[1], expected.x_gradient, 1e-12, 1e-12))
            << where;
        EXPECT_TRUE(
            at::allclose(actual[2], expected.gates_gradient, 1e-11, 1e-11))
            << where;
      };
      check(RunWithGradients(x, gates, options, cotangent), "contiguous");
      check(RunWithGradients(ChannelsLast(x), ChannelsLast(gates), options,
                             cotangent),
            "channels last");
      check(RunWithGradients(x, ChannelsLastSlice(gates), options,
                             ChannelsLast(cotangent)),
            "slice of channels last");
      check(RunWithGradients(ChannelsLast(x), gates, options, cotangent),
            "gates contiguous");
      check(RunWithGradients(Sparse(x), Sparse(gates), options,
                             Sparse(cotangent)),
            "sparse");
    }
  }
}

TEST(SpatialPropagationTest, EachDirectionMatchesTheReference) {
  for (const auto& options : AllOptions()) {
    for (ScanDirection direction : Directions()) {
      const at::Tensor x = Random({2, 6, 20, 35});
      const at::Tensor gates = RandomGates(x, options, 1);
      const at::Tensor cotangent = Random(x.sizes(), 5);
      const ReferenceResult expected =
          Reference(x, gates, {direction}, options, cotangent);
      for (bool channels_last : {false, true}) {
        const at::Tensor x_leaf = (channels_last ? ChannelsLast(x) : x.clone())
                                      .set_requires_grad(true);
        const at::Tensor gates_leaf =
            (channels_last ? ChannelsLast(gates) : gates.clone())
                .set_requires_grad(true);
        const at::Tensor out =
            SpatialPropagationScan(x_leaf, gates_leaf, direction, options);
        const auto gradients =
            torch::autograd::grad({out}, {x_leaf, gates_leaf}, {cotangent});
        EXPECT_TRUE(at::allclose(out, expected.out, 1e-12, 1e-12));
        EXPECT_TRUE(
            at::allclose(gradients[0], expected.x_gradient, 1e-12, 1e-12));
        EXPECT_TRUE(
            at::allclose(gradients[1], expected.gates_gradient, 1e-11, 1e-11));
      }
    }
  }
}

// Step matrix w_t [lanes, lanes] of a scan from left to right, gates
// [K, H, W] as used.
at::Tensor StepMatrix(const at::Tensor& gates, int64_t t) {
  const int64_t lanes = gates.size(1), count = gates.size(0);
  at::Tensor w = at::zeros({lanes, lanes}, at::kDouble);
  for (int64_t i = 0; i < lanes; ++i)
    for (int64_t k = 0; k < count; ++k) {
      const int64_t from = i + (count == 3 ? k - 1 : 0);
      if (from >= 0 && from < lanes) w[i][from] = gates[k][i][t];
    }
  return w;
}

// G of vec(H) = G vec(X), columns stacked: blocks w_t ... w_{s+1} (I - d_s).
at::Tensor DenseAffinity(const at::Tensor& gates) {
  const int64_t lanes = gates.size(1), steps = gates.size(2);
  const at::Tensor identity = at::eye(lanes, at::kDouble);
  at::Tensor dense = at::zeros({steps, lanes, steps, lanes}, at::kDouble);
  for (int64_t s = 0; s < steps; ++s) {
    at::Tensor block = identity;
    if (s > 0) block = identity - at::diag(StepMatrix(gates, s).sum(1));
    for (int64_t t = s; t < steps; ++t) {
      if (t > s) block = at::matmul(StepMatrix(gates, t), block);
      dense.select(0, t).select(1, s).copy_(block);
    }
  }
  return dense.view({steps * lanes, steps * lanes});
}

TEST(SpatialPropagationTest, EqualsTheDenseAffinityMatrix) {
  for (bool three_way : {false, true}) {
    for (int64_t n : {2, 5, 8}) {
      const auto options = Options(three_way, Rule::kNone);
      const at::Tensor x = Random({1, 1, n, n});
      const at::Tensor gates = 2.0 * RandomGates(x, options, 1);
      const at::Tensor dense = DenseAffinity(gates[0]);
      const at::Tensor h = SpatialPropagationScan(
          x, gates, ScanDirection::kLeftToRight, options)[0][0];
      // vec stacks columns.
      EXPECT_TRUE(at::allclose(h.t().reshape({n * n}),
                               dense.mv(x[0][0].t().reshape({n * n})), 1e-12,
                               1e-12));
      // Theorem 1: rows sum to one.
      EXPECT_TRUE(at::allclose(dense.sum(1), at::ones({n * n}, at::kDouble),
                               0.0, 1e-12));
      // Theorem 2: U_{T+1} - U_T = -L U_T with L = D - A, A the off-diagonal
      // part of G and D its row sums.
      const at::Tensor a = dense - at::diag(dense.diagonal());
      const at::Tensor laplacian = at::diag(a.sum(1)) - a;
      const at::Tensor u = x[0][0].t().reshape({n * n});
      EXPECT_TRUE(at::allclose(h.t().reshape({n * n}) - u, -laplacian.mv(u),
                               1e-12, 1e-12));
    }
  }
}

TEST(SpatialPropagationTest, GradientMatchesFiniteDifferences) {
  for (const auto& options : AllOptions()) {
    const at::Tensor x = Random({2, 5, 3, 4}, 21);
    // Not near a kink of |g|: signs random, sizes from 0.1.
    at::Tensor gates = RandomGates(x, options);
    gates = gates + 0.1 * gates.sign();
    const auto propagate = [&](const std::vector<at::Tensor>& in) {
      return SpatialPropagation(in[0], in[1], options);
    };
    EXPECT_TRUE(GradCheck(propagate, {x, gates})) << Name(options);
    EXPECT_TRUE(GradCheck(propagate, {ChannelsLast(x), ChannelsLast(gates)}))
        << Name(options);
  }
  // Views, few channels, and no merge.
  const auto options = Options(true, Rule::kDivide);
  const at::Tensor x = Random({1, 2, 4, 3}, 22);
  const at::Tensor gates = RandomGates(x, options);
  const auto propagate = [&](const std::vector<at::Tensor>& in) {
    return SpatialPropagation(in[0], in[1], options);
  };
  EXPECT_TRUE(GradCheck(propagate, {Sparse(x), Sparse(gates)}));
  EXPECT_TRUE(GradCheck(propagate, {x.transpose(2, 3), gates.transpose(2, 3)}));
  EXPECT_TRUE(GradCheck(propagate, {x, ChannelsLastSlice(gates)}));
  for (ScanDirection direction : Directions()) {
    EXPECT_TRUE(GradCheck(
        [&](const std::vector<at::Tensor>& in) {
          return SpatialPropagationScan(in[0], in[1], direction, options);
        },
        {x, gates.slice(1, 0, 6)}));
  }
}

TEST(SpatialPropagationTest, GradientBelowTheFloorOfTheDivision) {
  const auto options = Options(true, Rule::kDivide);
  const at::Tensor x = Random({1, 4, 3, 3}, 23);
  const at::Tensor gates = 1e-8 * RandomGates(x, options, 1);
  // S < 1e-6: p = 1e6 g. Steps of 1e-10 against gates of 1e-8. One scan: four
  // of them are too close to ties.
  EXPECT_TRUE(GradCheck(
      [&](const std::vector<at::Tensor>& in) {
        return SpatialPropagationScan(in[0], in[1], ScanDirection::kTopToBottom,
                                      options);
      },
      {x, gates}, 1e-10, 1e-4, 1e-4));
}

TEST(SpatialPropagationTest, TanhIsTanhEverywhere) {
  // One lane, three steps, one-way: h_1 = (1 - p) x_1 + p x_0 = p with x = 1,
  // 0.
  const std::vector<double> arguments = {0.0,  1e-12, 1e-4,  0.3,  -0.7,
                                         1.0,  -3.0,  8.0,   19.0, 40.,
                                         -1e4, 1e30,  1e300, -0.0};
  for (at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (double argument : arguments) {
      at::Tensor x = at::zeros({1, 1, 1, 2}, type);
      x[0][0][0][0] = 1.0;
      const at::Tensor gates =
          at::full({1, 1, 1, 2}, argument, at::kDouble).to(type);
      const double h =
          SpatialPropagationScan(x, gates, ScanDirection::kLeftToRight,
                                 Options(false, Rule::kTanh))[0][0][0][1]
              .item<double>();
      const double expected = std::tanh(gates[0][0][0][0].item<double>());
      // A few units in the last place.
      const double tolerance = type == at::kFloat ? 4e-7 : 1e-15;
      EXPECT_NEAR(h, expected, tolerance * std::abs(expected)) << argument;
    }
  }
}

TEST(SpatialPropagationTest, FloatAgreesWithDouble) {
  for (const auto& options : AllOptions()) {
    const at::Tensor x = Random({1, 20, 33, 40});
    const at::Tensor gates = RandomGates(x, options).to(at::kFloat);
    const at::Tensor x32 = x.to(at::kFloat);
    for (bool channels_last : {false, true}) {
      const auto layout = [&](const at::Tensor& y) {
        return channels_last ? ChannelsLast(y) : y;
      };
      // At most 40 steps of a few roundings of 6e-8 on values of at most 10;
      // an error grows linearly.
      EXPECT_TRUE(at::allclose(
          SpatialPropagation(layout(x32), layout(gates), options)
              .to(at::kDouble),
          SpatialPropagation(layout(x32.to(at::kDouble)),
                             layout(gates.to(at::kDouble)), options),
          1e-5, 1e-5))
          << Name(options);
    }
  }
}

}  // namespace
}  // namespace spatial_propagation_test
}  // namespace seg
