// Properties of the operator: what must hold whatever the numbers are.

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>
#include <vector>

#include "common/layers/spatial_propagation/spatial_propagation.h"
#include "common/layers/spatial_propagation/spatial_propagation_layer.h"
#include "common/layers/spatial_propagation/spatial_propagation_reference.h"
#include "common/testing/gradcheck.h"

namespace seg {
namespace spatial_propagation_test {
namespace {

using ::testing::ElementsAre;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(SpatialPropagationTest, ConstantImageIsReturnedBitForBit) {
  for (const auto& options : AllOptions()) {
    for (at::ScalarType type : {at::kFloat, at::kDouble}) {
      const at::Tensor x = at::full({2, 5, 13, 11}, 0.1, type);
      const at::Tensor gates = RandomGates(x, options).to(type);
      EXPECT_TRUE(at::equal(SpatialPropagation(x, gates, options), x));
      EXPECT_TRUE(at::equal(
          SpatialPropagation(ChannelsLast(x), ChannelsLast(gates), options),
          x));
    }
  }
}

TEST(SpatialPropagationTest, CentreGateOfOneCopiesTheFirstColumn) {
  const at::Tensor x = Random({1, 5, 7, 9});
  for (bool three_way : {false, true}) {
    const auto options = Options(three_way, Rule::kClamp);
    at::Tensor gates =
        at::zeros({1, 5 * GatesADirection(options), 7, 9}, at::kDouble);
    const int64_t centre = three_way ? 5 : 0;
    gates.slice(1, centre, centre + 5).fill_(1.0);
    // x + (h - x) rounds once a step.
    EXPECT_TRUE(at::allclose(
        SpatialPropagationScan(x, gates, ScanDirection::kLeftToRight, options),
        x.slice(3, 0, 1).expand_as(x), 0.0, 1e-14));
  }
}

TEST(SpatialPropagationTest, ImpulseHasAGeometricTail) {
  const double p = 0.7;
  at::Tensor x = at::zeros({1, 1, 1, 12}, at::kDouble);
  x[0][0][0][3] = 1.0;
  const std::vector<double> h = Values(SpatialPropagationScan(
      x, at::full({1, 1, 1, 12}, p, at::kDouble), ScanDirection::kLeftToRight,
      Options(false, Rule::kNone)));
  for (int64_t t = 0; t < 12; ++t) {
    EXPECT_NEAR(h[t], t < 3 ? 0.0 : (1.0 - p) * std::pow(p, t - 3), 1e-15);
  }
}

TEST(SpatialPropagationTest, ImpulseReachesExactlyTheFan) {
  for (bool three_way : {false, true}) {
    for (ScanDirection direction : Directions()) {
      for (int64_t channels : {1, 5}) {
        const auto options = Options(three_way, Rule::kNone);
        const int64_t height = 9, width = 11, y0 = 4, x0 = 6;
        at::Tensor x = at::zeros({1, channels, height, width}, at::kDouble);
        x.select(2, y0).select(2, x0).fill_(1.0);
        // Positive gates: nothing cancels.
        const at::Tensor gates =
            ChannelsLast(RandomGates(x, options, 1).abs() + 0.01);
        const at::Tensor h =
            SpatialPropagationScan(x, gates, direction, options);
        const ReferenceScan scan(direction, height, width,
                                 GatesADirection(options));
        int64_t t0 = 0, i0 = 0;
        for (int64_t t = 0; t < scan.steps; ++t)
          for (int64_t i = 0; i < scan.lanes; ++i) {
            const Pixel p = At(direction, height, width, t, i);
            if (p.y == y0 && p.x == x0) t0 = t, i0 = i;
          }
        for (int64_t t = 0; t < scan.steps; ++t)
          for (int64_t i = 0; i < scan.lanes; ++i) {
            const Pixel p = At(direction, height, width, t, i);
            const int64_t reach = three_way ? t - t0 : 0;
            const bool inside = t >= t0 && std::abs(i - i0) <= reach;
            EXPECT_EQ(h[0][channels - 1][p.y][p.x].item<double>() != 0.0,
                      inside)
                << "step " << t - t0 << ", lane " << i - i0;
          }
      }
    }
  }
}

TEST(SpatialPropagationTest, OutputStaysInsideItsBounds) {
  const int64_t width = 40;
  // |h_t| <= (2 t - 1) max |x|, t from 1, for sum |p| <= 1...
  for (Rule rule : {Rule::kDivide, Rule::kClamp, Rule::kTanh}) {
    const auto options = Options(true, rule);
    const at::Tensor x = Random({1, 4, 30, width}).clamp(-1.0, 1.0);
    const at::Tensor gates = 3.0 * RandomGates(x, options, 1);
    const at::Tensor bound =
        (2.0 * at::arange(1, width + 1, at::kDouble) - 1.0) * (1.0 + 1e-12);
    EXPECT_TRUE(
        (SpatialPropagationScan(x, gates, ScanDirection::kLeftToRight, options)
             .abs() <= bound)
            .all()
            .item<bool>());
    // ... and for gates that are not negative the range of x.
    const at::Tensor h =
        SpatialPropagation(x, 3.0 * RandomGates(x, options, 4).abs(), options);
    EXPECT_LE(h.max().item<double>(), x.max().item<double>() + 1e-12);
    EXPECT_GE(h.min().item<double>(), x.min().item<double>() - 1e-12);
  }
  // The bound is reached: p = -1, x_t = (-1)^t gives -1, 3, -5, 7, ...
  const at::Tensor t = at::arange(1, width + 1, at::kDouble);
  const at::Tensor sign = 1.0 - 2.0 * at::fmod(t, 2.0);
  const at::Tensor x = sign.view({1, 1, 1, width});
  EXPECT_TRUE(at::equal(SpatialPropagationScan(x, at::full_like(x, -1.0),
                                               ScanDirection::kLeftToRight,
                                               Options(false, Rule::kNone)),
                        ((2.0 * t - 1.0) * sign).view_as(x)));
}

TEST(SpatialPropagationTest, UnusedGatesAreNotLookedAt) {
  for (const auto& options : AllOptions()) {
    const at::Tensor x = Random({1, 5, 6, 18});
    const at::Tensor gates = RandomGates(x, options);
    const at::Tensor cotangent = Random(x.sizes(), 5);
    at::Tensor bad = gates.clone();
    at::Tensor unused = at::zeros(gates.sizes(), at::kBool);
    for (size_t d = 0; d < 4; ++d) {
      const ReferenceScan scan(Directions()[d], 6, 18,
                               GatesADirection(options));
      for (int64_t k = 0; k < GatesADirection(options); ++k)
        for (int64_t t = 0; t < scan.steps; ++t)
          for (int64_t i = 0; i < scan.lanes; ++i) {
            if (scan.Valid(k, i, t)) continue;
            const Pixel p = At(Directions()[d], 6, 18, t, i);
            const int64_t first =
                (static_cast<int64_t>(d) * GatesADirection(options) + k) * 5;
            unused.slice(1, first, first + 5)
                .select(2, p.y)
                .select(2, p.x)
                .fill_(true);
          }
    }
    bad.masked_fill_(unused, kNan);
    if (options.sum_all_gates()) continue;  // leaks through S, as documented
    for (bool channels_last : {false, true}) {
      const auto layout = [&](const at::Tensor& y) {
        return channels_last ? ChannelsLast(y) : y;
      };
      const auto expected =
          RunWithGradients(layout(x), layout(gates), options, cotangent);
      const auto actual =
          RunWithGradients(layout(x), layout(bad), options, cotangent);
      for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(at::equal(actual[i], expected[i])) << Name(options) << i;
      }
      EXPECT_EQ(actual[2].masked_select(unused).abs().sum().item<double>(),
                0.0);
    }
  }
}

TEST(SpatialPropagationTest, FlippingOrTransposingTheImageSwapsDirections) {
  for (bool three_way : {false, true}) {
    const auto options = Options(three_way, Rule::kClamp);
    const int64_t gates_count = GatesADirection(options);
    const at::Tensor x = Random({2, 4, 9, 14});
    const at::Tensor gates = RandomGates(x, options, 1);
    const at::Tensor h =
        SpatialPropagationScan(x, gates, ScanDirection::kLeftToRight, options);
    // Left-right flip: the scan from the right; lanes keep their order.
    EXPECT_TRUE(
        at::equal(SpatialPropagationScan(x.flip(3), gates.flip(3),
                                         ScanDirection::kRightToLeft, options)
                      .flip(3),
                  h));
    // Transposition: from the top.
    EXPECT_TRUE(at::equal(
        SpatialPropagationScan(x.transpose(2, 3), gates.transpose(2, 3),
                               ScanDirection::kTopToBottom, options)
            .transpose(2, 3),
        h));
    EXPECT_TRUE(
        at::equal(SpatialPropagationScan(x.flip(3).transpose(2, 3),
                                         gates.flip(3).transpose(2, 3),
                                         ScanDirection::kBottomToTop, options)
                      .transpose(2, 3)
                      .flip(3),
                  h));
    // Top-bottom flip: the same direction with the outer gates exchanged. The
    // sum has another order.
    const at::Tensor flipped = gates.view({2, gates_count, 4, 9, 14})
                                   .flip({1, 3})
                                   .reshape(gates.sizes());
    EXPECT_TRUE(at::allclose(
        SpatialPropagationScan(x.flip(2), flipped, ScanDirection::kLeftToRight,
                               options)
            .flip(2),
        h, 1e-13, 1e-13));
  }
}

TEST(SpatialPropagationTest, MergeIsTheMaximumOfTheScans) {
  for (const auto& options : AllOptions()) {
    const at::Tensor x = Random({2, 5, 8, 12});
    const at::Tensor gates = RandomGates(x, options);
    const int64_t block = gates.size(1) / 4;
    at::Tensor expected;
    for (int64_t d = 0; d < 4; ++d) {
      const at::Tensor h =
          SpatialPropagationScan(x, gates.slice(1, d * block, (d + 1) * block),
                                 Directions()[d], options);
      expected = d == 0 ? h : at::max(expected, h);
    }
    EXPECT_TRUE(at::equal(SpatialPropagation(x, gates, options), expected));
  }
}

TEST(SpatialPropagationTest, TieGoesToTheFirstDirection) {
  // Constant image: all four scans are equal everywhere, so only the first one
  // has a gradient.
  const auto options = Options(true, Rule::kNone);
  for (int64_t channels : {1, 5}) {
    const at::Tensor x = at::full({1, channels, 6, 7}, 2.0, at::kDouble);
    const at::Tensor gates = ChannelsLast(RandomGates(x, options));
    const at::Tensor cotangent = Random(x.sizes(), 5);
    const auto all = RunWithGradients(x, gates, options, cotangent);
    const at::Tensor x_leaf = x.clone().set_requires_grad(true);
    const at::Tensor h =
        SpatialPropagationScan(x_leaf, gates.slice(1, 0, 3 * channels),
                               ScanDirection::kLeftToRight, options);
    EXPECT_TRUE(at::equal(
        all[1], torch::autograd::grad({h}, {x_leaf}, {cotangent})[0]));
  }
  // Two directions tie and win over the first: gates zero but in the first
  // direction, which pulls down; 1 x 3 image, all others give x.
  const at::Tensor x =
      at::tensor({0.0, 1.0, 2.0}, at::kDouble).view({1, 1, 1, 3});
  at::Tensor gates = at::zeros({1, 4, 1, 3}, at::kDouble);
  gates.select(1, 0).fill_(0.5);
  const auto one_way = Options(false, Rule::kNone);
  const auto result = RunWithGradients(x, gates, one_way, at::ones_like(x));
  EXPECT_THAT(Values(result[0]), ElementsAre(0, 1, 2));
  // Right to left is the first to attain pixels 1 and 2: its gate has the
  // gradient e (h - x) at pixels 0 (tie won by the first direction: none)
  // and 1.
  EXPECT_THAT(Values(result[2].select(1, 1)), ElementsAre(0, 1, 0));
  EXPECT_THAT(Values(result[2].select(1, 2)), ElementsAre(0, 0, 0));
}

TEST(SpatialPropagationTest, NanInAnyDirectionIsKept) {
  const auto options = Options(false, Rule::kNone);
  for (int64_t channels : {1, 4}) {
    for (int64_t d = 0; d < 4; ++d) {
      const at::Tensor x = Random({1, channels, 5, 5});
      at::Tensor gates = RandomGates(x, options);
      gates.slice(1, d * channels, (d + 1) * channels)
          .select(2, 2)
          .select(2, 2)
          .fill_(kNan);
      for (const at::Tensor& g : {gates, ChannelsLast(gates)}) {
        const at::Tensor out = SpatialPropagation(x, g, options);
        EXPECT_TRUE(out.select(2, 2).select(2, 2).isnan().all().item<bool>());
        // The scan's first column or row does not see it.
        const Pixel first = At(Directions()[d], 5, 5, 0, 2);
        EXPECT_FALSE(out.select(2, first.y)
                         .select(2, first.x)
                         .isnan()
                         .any()
                         .item<bool>());
      }
    }
  }
}

TEST(SpatialPropagationTest, CascadeSharesGates) {
  SpatialPropagationLayer unit(Options(true, Rule::kClamp));
  const at::Tensor x = Random({1, 4, 3, 3}, 24);
  const at::Tensor gates = RandomGates(x, Options(true, Rule::kClamp));
  EXPECT_TRUE(GradCheck(
      [&](const std::vector<at::Tensor>& in) {
        return unit(unit(in[0], in[1]), in[1]);
      },
      {x, gates}));
}

TEST(SpatialPropagationTest, GradientThatIsSharedIsNotOverwritten) {
  const auto options = Options(true, Rule::kDivide);
  const at::Tensor x = Random({1, 4, 5, 5}).set_requires_grad(true);
  const at::Tensor gates = RandomGates(x, options);
  const at::Tensor out = SpatialPropagation(x, gates, options);
  const at::Tensor cotangent = Random(x.sizes(), 5);
  const at::Tensor copy = cotangent.clone();
  torch::autograd::grad({out}, {x}, {cotangent});
  EXPECT_TRUE(at::equal(cotangent, copy));
}

}  // namespace
}  // namespace spatial_propagation_test
}  // namespace seg
