#include "ganseg/losses.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/testing/gradcheck.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"
#include "ganseg/discriminator.h"
#include "ganseg/geometry.h"
#include "ganseg/heatmaps.h"

namespace seg {
namespace ganseg {
namespace {

double Softplus(double x) { return std::log1p(std::exp(x)); }

TEST(LogisticTest, HandWorked) {
  const at::Tensor real = at::tensor({0.5, -2.0}, at::kDouble);
  const at::Tensor fake = at::tensor({1.0, -3.0, 0.0}, at::kDouble);
  EXPECT_NEAR(DiscriminatorLoss(real, fake).item<double>(),
              (Softplus(1) + Softplus(-3) + Softplus(0)) / 3 +
                  (Softplus(-0.5) + Softplus(2)) / 2,
              1e-14);
  EXPECT_NEAR(GeneratorLoss(fake).item<double>(),
              (Softplus(-1) + Softplus(3) + Softplus(0)) / 3, 1e-14);
  const at::Tensor far = at::tensor({1e4, -1e4}, at::kFloat);
  EXPECT_EQ(GeneratorLoss(far).item<float>(), 5e3f);
  EXPECT_EQ(DiscriminatorLoss(far, far).item<float>(), 1e4f);
}

TEST(GradientPenaltyTest, LinearScore) {
  const at::Tensor w = Random({3, 4, 4});
  const at::Tensor x = Random({5, 3, 4, 4}).set_requires_grad(true);
  const auto penalty = [&](double norm, double target) {
    const at::Tensor scores =
        (x * (w * (norm / w.norm()))).sum(at::IntArrayRef{1, 2, 3});
    return GradientPenalty(scores, x, target).item<double>();
  };
  EXPECT_NEAR(penalty(1, 1), 0, 1e-14);
  EXPECT_NEAR(penalty(3, 1), 4, 1e-13);
  EXPECT_NEAR(penalty(3, 0), 9, 1e-13);
  EXPECT_NEAR(penalty(0, 1), 1, 1e-14);
}

TEST(GradientPenaltyTest, GradientMatchesFiniteDifferences) {
  for (const double target : {0.0, 1.0}) {
    EXPECT_TRUE(GradCheck(
        [&](const auto& in) {
          // The penalty needs gradients where GradCheck switches them off.
          const c10::AutoGradMode mode(true);
          const at::Tensor x = in[0].requires_grad()
                                   ? in[0]
                                   : in[0].detach().set_requires_grad(true);
          const at::Tensor scores =
              ((x * in[1]).sin() + x * x * x).flatten(1).sum(1);
          return GradientPenalty(scores, x, target);
        },
        {Random({2, 3, 2, 2}, 1), Random({3, 2, 2}, 2)}));
  }
}

// Through the network: two backward passes against differences of one.
TEST(GradientPenaltyTest, DiscriminatorIsDifferentiatedTwice) {
  at::manual_seed(5);
  Discriminator net(
      DiscriminatorOptions().channels({4, 5}).fc_width(6).image_size(8));
  net->to(at::kDouble);
  {
    const at::NoGradGuard no_grad;
    for (at::Tensor& p : net->parameters()) p.add_(at::randn_like(p), 0.1);
  }
  const at::Tensor images = Random({3, 3, 8, 8}).set_requires_grad(true);
  const auto penalty = [&] {
    return GradientPenalty(net->forward(images), images, 1);
  };
  penalty().backward();
  int checked = 0;
  for (const auto& item : net->named_parameters()) {
    const at::Tensor& p = item.value();
    const at::Tensor flat = p.detach().view({-1});
    // The last bias has no part in the gradient of a score.
    const at::Tensor gradient =
        p.grad().defined() ? p.grad().flatten() : at::zeros_like(flat);
    for (const int64_t i : {int64_t{0}, p.numel() / 2, p.numel() - 1}) {
      const double before = flat[i].item<double>(), eps = 1e-6;
      flat[i] = before + eps;
      const double above = penalty().item<double>();
      flat[i] = before - eps;
      const double below = penalty().item<double>();
      flat[i] = before;
      const double numeric = (above - below) / (2 * eps);
      EXPECT_NEAR(gradient[i].item<double>(), numeric,
                  1e-8 + 1e-6 * std::abs(numeric))
          << item.key() << " " << i;
      checked += std::abs(numeric) > 1e-4;
    }
  }
  EXPECT_GT(checked, 20);
}

TEST(GradientPenaltyTest, Errors) {
  const at::Tensor x = at::rand({2, 3, 4, 4});
  ExpectError([&] { GradientPenalty(x.flatten(1).sum(1), x, 1); },
              "images must require gradients");
  ExpectError([&] { GradientPenalty(x.flatten(1).sum(1), x, -1); },
              "target must not be negative, got -1");
}

// [N,K+1,S,S], positive, sum 1 over the channels.
at::Tensor RandomMasks(at::IntArrayRef sizes) {
  return Random(sizes, 5).softmax(1);
}

TEST(ConcentrationTest, AgreesWithLoops) {
  const at::Tensor masks = RandomMasks({2, 4, 7, 7});
  const at::Tensor centres = Random({2, 3, 2}) * 0.3;
  const auto m = masks.accessor<double, 4>();
  const auto x = centres.accessor<double, 3>();
  double expected = 0;
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t k = 0; k < 3; ++k) {
      double mass = 0, spread = 0;
      for (int64_t i = 0; i < 7; ++i) {
        for (int64_t j = 0; j < 7; ++j) {
          // Coordinates with both ends.
          const double row = -1 + i / 3.0 - x[n][k][0];
          const double column = -1 + j / 3.0 - x[n][k][1];
          mass += m[n][k][i][j];
          spread += (row * row + column * column) * m[n][k][i][j];
        }
      }
      expected += spread / (mass + 1e-6) / 6;
    }
  }
  EXPECT_NEAR(Concentration(masks, centres).item<double>(), expected, 1e-13);
  EXPECT_NEAR(Concentration(ChannelsLast(masks), centres).item<double>(),
              expected, 1e-13);
}

TEST(ConcentrationTest, KnownShapes) {
  // Even masks: (S + 1) / (3 (S - 1)) for each axis.
  const at::Tensor even = at::full({1, 9, 128, 128}, 1.0 / 9, at::kDouble);
  const at::Tensor zero = at::zeros({1, 8, 2}, at::kDouble);
  EXPECT_NEAR(Concentration(even, zero).item<double>(), 2 * 129.0 / (3 * 127),
              1e-8);
  // A disc of radius r: r^2 / 2.
  const at::Tensor axis = GridAxis(GridType::kEndpoint, 128, 0, at::kDouble);
  const double radius = 12 / 64.0;
  const at::Tensor disc =
      (axis.unsqueeze(1).square() + axis.square() < radius * radius)
          .to(at::kDouble)
          .expand({1, 2, 128, 128});
  EXPECT_NEAR(Concentration(disc, zero.narrow(1, 0, 1)).item<double>(),
              radius * radius / 2, 2e-4);
}

TEST(ConcentrationTest, GradientMatchesFiniteDifferences) {
  EXPECT_TRUE(
      GradCheck([](const auto& in) { return Concentration(in[0], in[1]); },
                {RandomMasks({2, 3, 4, 4}), Random({2, 2, 2}) * 0.3}));
}

TEST(AreaTest, HandWorkedAndSlope) {
  // Deviations of 0.25 and 0 along two axes: tau 0.125 + 1e-6.
  const at::Tensor points =
      at::tensor({0.25, 0.0, -0.25, 0.0}, at::kDouble).view({1, 2, 2});
  for (const int64_t size : {32, 64}) {
    const double half = size / 2.0;
    const double target = M_PI * std::pow((0.125 + 1e-6) * half, 2);
    at::Tensor masks = at::zeros({1, 2, size, size}, at::kDouble);
    masks[0][0].fill_(1e-3);
    masks.set_requires_grad(true);
    const at::Tensor p = points.clone().set_requires_grad(true);
    const at::Tensor loss = Area(masks, p);
    EXPECT_NEAR(loss.item<double>(), target - 1e-3 * size * size, 1e-10);
    const auto g = torch::autograd::grad({loss}, {masks, p});
    // One pixel more costs one less; the background has no part.
    EXPECT_EQ(g[0].select(1, 0).min().item<double>(), -1);
    EXPECT_EQ(g[0].select(1, 0).max().item<double>(), -1);
    EXPECT_EQ(g[0].select(1, 1).abs().max().item<double>(), 0);
    EXPECT_GT(g[1].abs().max().item<double>(), 1);
    // Large masks cost nothing.
    const at::Tensor large =
        at::full({1, 2, size, size}, 0.5, at::kDouble).set_requires_grad(true);
    const at::Tensor none = Area(large, p);
    EXPECT_EQ(none.item<double>(), 0);
    EXPECT_EQ(
        torch::autograd::grad({none}, {large})[0].abs().max().item<double>(),
        0);
  }
}

TEST(AreaTest, SumOverPartsMeanOverImages) {
  const at::Tensor points = Random({3, 8, 2});
  const at::Tensor masks = RandomMasks({3, 3, 8, 8}) * 0.1;
  const at::Tensor tau = MeanAbsoluteDeviation(points, 2);
  double expected = 0;
  for (int64_t n = 0; n < 3; ++n) {
    for (int64_t k = 0; k < 2; ++k) {
      const double radius = 4 * tau[n][k].item<double>();
      expected += std::max(0.0, M_PI * radius * radius -
                                    masks[n][k].sum().item<double>()) /
                  3;
    }
  }
  EXPECT_GT(expected, 1);
  EXPECT_NEAR(Area(masks, points).item<double>(), expected, 1e-12);
  EXPECT_TRUE(GradCheck([](const auto& in) { return Area(in[0], in[1]); },
                        {RandomMasks({2, 3, 4, 4}) * 0.1, Random({2, 6, 2})}));
}

TEST(GeometricLossesTest, Errors) {
  const at::Tensor masks = at::zeros({2, 4, 8, 8});
  ExpectError(
      [&] {
        Concentration(masks, at::zeros({2, 4, 2}));
      },
      "centres must be [2,3,2], got [2, 4, 2]");
  ExpectError(
      [&] {
        Concentration(at::zeros({2, 1, 8, 8}), masks);
      },
      "masks must be [N,K+1,S,S] with K >= 1, got [2, 1, 8, 8]");
  ExpectError(
      [&] {
        Area(masks, at::zeros({1, 12, 2}));
      },
      "points must be [2,K*n,2], got [1, 12, 2]");
  ExpectError([&] { Area(masks, at::zeros({2, 3, 2})); }, "at least 2 points");
}

}  // namespace
}  // namespace ganseg
}  // namespace seg
