#include "common/layers/spatial_propagation/spatial_propagation.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/CPUAllocator.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "common/layers/spatial_propagation/spatial_propagation_layer.h"
#include "common/testing/gradcheck.h"
#include "hwy/targets.h"

namespace seg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Rule = GateNormalization;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

const std::vector<ScanDirection> kDirections = {
    ScanDirection::kLeftToRight, ScanDirection::kRightToLeft,
    ScanDirection::kTopToBottom, ScanDirection::kBottomToTop};

SpatialPropagationOptions Options(bool three_way, Rule rule,
                                  bool sum_all = false) {
  return SpatialPropagationOptions()
      .three_way(three_way)
      .normalization(rule)
      .sum_all_gates(sum_all);
}

// Every combination that is not refused.
std::vector<SpatialPropagationOptions> AllOptions() {
  std::vector<SpatialPropagationOptions> all;
  for (Rule rule : {Rule::kNone, Rule::kTanh, Rule::kClamp}) {
    all.push_back(Options(false, rule));
  }
  for (Rule rule : {Rule::kNone, Rule::kTanh, Rule::kDivide, Rule::kClamp,
                    Rule::kDividePlus}) {
    all.push_back(Options(true, rule));
    if (rule != Rule::kNone) all.push_back(Options(true, rule, true));
  }
  return all;
}

std::string Name(const SpatialPropagationOptions& options) {
  return (options.three_way() ? "three-way, rule " : "one-way, rule ") +
         std::to_string(static_cast<int>(options.normalization())) +
         (options.sum_all_gates() ? ", sum of all" : "");
}

int64_t K(const SpatialPropagationOptions& options) {
  return options.three_way() ? 3 : 1;
}

at::Tensor Random(at::IntArrayRef sizes, int64_t seed = 3) {
  at::manual_seed(seed);
  return at::randn(sizes, at::kDouble);
}

// Gates for x in all directions, or in `directions` of them; small enough for
// the recurrence without a rule, both sides of S = 1 for kClamp.
at::Tensor RandomGates(const at::Tensor& x,
                       const SpatialPropagationOptions& options,
                       int64_t directions = 4, int64_t seed = 11) {
  const double scale = options.normalization() == Rule::kNone ? 0.2 : 0.5;
  return scale * Random({x.size(0), directions * K(options) * x.size(1),
                         x.size(2), x.size(3)},
                        seed);
}

std::vector<double> Values(const at::Tensor& x) {
  const at::Tensor flat = x.to(at::kDouble).contiguous();
  const double* data = flat.const_data_ptr<double>();
  return std::vector<double>(data, data + flat.numel());
}

at::Tensor ChannelsLast(const at::Tensor& x) {
  return x.movedim(1, -1).contiguous().movedim(-1, 1);
}

// Every second element of a larger tensor, along each axis.
at::Tensor Sparse(const at::Tensor& x) {
  std::vector<int64_t> sizes;
  for (int64_t size : x.sizes()) sizes.push_back(2 * size);
  at::Tensor large = at::full(sizes, kNan, x.options());
  at::Tensor view = large.slice(0, 0, sizes[0], 2)
                        .slice(1, 0, sizes[1], 2)
                        .slice(2, 0, sizes[2], 2)
                        .slice(3, 0, sizes[3], 2);
  view.copy_(x);
  return view;
}

// The channels in the middle of a wider channels-last tensor.
at::Tensor ChannelsLastSlice(const at::Tensor& x) {
  const at::Tensor wide = at::full(
      {x.size(0), x.size(2), x.size(3), x.size(1) + 7}, kNan, x.options());
  const at::Tensor view = wide.slice(3, 3, 3 + x.size(1)).movedim(-1, 1);
  view.copy_(x);
  return view;
}

// ----------------------------------------------------------------- reference

// Pixel of step t, lane i.
struct Pixel {
  int64_t y, x;
};
Pixel At(ScanDirection direction, int64_t height, int64_t width, int64_t t,
         int64_t i) {
  switch (direction) {
    case ScanDirection::kLeftToRight:
      return {i, t};
    case ScanDirection::kRightToLeft:
      return {i, width - 1 - t};
    case ScanDirection::kTopToBottom:
      return {t, i};
    default:
      return {height - 1 - t, i};
  }
}

bool Horizontal(ScanDirection direction) {
  return direction == ScanDirection::kLeftToRight ||
         direction == ScanDirection::kRightToLeft;
}

// One direction of one image and channel in scan coordinates; gates as the
// recurrence uses them. Section 3.3 and 3.4 of the equations, term by term.
struct ReferenceScan {
  ReferenceScan(ScanDirection direction, int64_t height, int64_t width,
                int64_t gates)
      : direction(direction),
        height(height),
        width(width),
        gates(gates),
        steps(Horizontal(direction) ? width : height),
        lanes(Horizontal(direction) ? height : width) {}

  int64_t Offset(int64_t k) const { return gates == 3 ? k - 1 : 0; }
  bool Valid(int64_t k, int64_t i, int64_t t) const {
    const int64_t from = i + Offset(k);
    return t > 0 && t < steps && from >= 0 && from < lanes && i >= 0 &&
           i < lanes;
  }
  template <class Accessor>
  double Get(const Accessor& plane, int64_t t, int64_t i) const {
    const Pixel p = At(direction, height, width, t, i);
    return plane[p.y][p.x];
  }

  ScanDirection direction;
  int64_t height, width, gates, steps, lanes;
};

// p of raw gates [N, directions, K, C, H, W] with autograd; the border rule
// included: unused gates are zero in the result.
at::Tensor ReferenceGates(const at::Tensor& raw,
                          const std::vector<ScanDirection>& directions,
                          const SpatialPropagationOptions& options) {
  const int64_t gates = raw.size(2), height = raw.size(4), width = raw.size(5);
  at::Tensor valid =
      at::zeros({static_cast<int64_t>(directions.size()), gates, height, width},
                at::kBool);
  auto to = valid.accessor<bool, 4>();
  for (size_t d = 0; d < directions.size(); ++d) {
    const ReferenceScan scan(directions[d], height, width, gates);
    for (int64_t k = 0; k < gates; ++k)
      for (int64_t t = 0; t < scan.steps; ++t)
        for (int64_t i = 0; i < scan.lanes; ++i) {
          const Pixel p = At(directions[d], height, width, t, i);
          to[d][k][p.y][p.x] = scan.Valid(k, i, t);
        }
  }
  valid = valid.unsqueeze(0).unsqueeze(3);
  const auto select = [&](const at::Tensor& x) {
    return at::where(valid, x, at::zeros_like(x));
  };
  at::Tensor g = options.sum_all_gates() ? raw : select(raw);
  if (options.normalization() == Rule::kTanh) g = g.tanh();
  const at::Tensor sum = g.abs().sum(2, true);
  switch (options.normalization()) {
    case Rule::kNone:
      break;
    case Rule::kDivide:
      g = g / sum.clamp_min(1e-6);
      break;
    case Rule::kTanh:
    case Rule::kClamp:
      g = at::where(sum >= 1.0, g / sum.clamp_min(1.0), g);
      break;
    case Rule::kDividePlus:
      g = g / (sum + 1e-8);
      break;
  }
  return select(g);
}

struct ReferenceResult {
  at::Tensor out, x_gradient, gates_gradient;
};

// Everything: rule, scans, merge and their gradients for `cotangent`.
ReferenceResult Reference(const at::Tensor& x_any, const at::Tensor& gates_any,
                          const std::vector<ScanDirection>& directions,
                          const SpatialPropagationOptions& options,
                          const at::Tensor& cotangent_any) {
  const int64_t images = x_any.size(0), channels = x_any.size(1);
  const int64_t height = x_any.size(2), width = x_any.size(3);
  const int64_t count = static_cast<int64_t>(directions.size());
  const int64_t gates = K(options);
  const at::Tensor raw =
      gates_any.contiguous()
          .view({images, count, gates, channels, height, width})
          .clone()
          .set_requires_grad(true);
  const at::Tensor p_graph = ReferenceGates(raw, directions, options);
  const at::Tensor p_tensor = p_graph.detach().contiguous();
  const at::Tensor dp_tensor = at::zeros_like(p_tensor);
  const at::Tensor x_tensor = x_any.contiguous();
  const at::Tensor dout_tensor = cotangent_any.contiguous();
  ReferenceResult result;
  result.out = at::zeros_like(x_tensor);
  result.x_gradient = at::zeros_like(x_tensor);
  const auto x = x_tensor.accessor<double, 4>();
  const auto dout = dout_tensor.accessor<double, 4>();
  const auto p = p_tensor.accessor<double, 6>();
  auto dp = dp_tensor.accessor<double, 6>();
  auto out = result.out.accessor<double, 4>();
  auto dx = result.x_gradient.accessor<double, 4>();
  for (int64_t n = 0; n < images; ++n)
    for (int64_t c = 0; c < channels; ++c) {
      const at::Tensor h_tensor =
          at::zeros({count, height, width}, at::kDouble);
      auto h = h_tensor.accessor<double, 3>();
      for (int64_t d = 0; d < count; ++d) {
        const ReferenceScan scan(directions[d], height, width, gates);
        for (int64_t t = 0; t < scan.steps; ++t)
          for (int64_t i = 0; i < scan.lanes; ++i) {
            const Pixel to = At(directions[d], height, width, t, i);
            double sum = 0.0, propagated = 0.0;
            for (int64_t k = 0; k < gates; ++k) {
              if (!scan.Valid(k, i, t)) continue;
              const double gate = p[n][d][k][c][to.y][to.x];
              sum += gate;
              propagated += gate * scan.Get(h[d], t - 1, i + scan.Offset(k));
            }
            h[d][to.y][to.x] = (1.0 - sum) * x[n][c][to.y][to.x] + propagated;
          }
      }
      // Merge: the first direction among equals.
      std::vector<int64_t> winner(height * width, 0);
      for (int64_t y = 0; y < height; ++y)
        for (int64_t w = 0; w < width; ++w) {
          for (int64_t d = 1; d < count; ++d) {
            if (h[d][y][w] > h[winner[y * width + w]][y][w]) {
              winner[y * width + w] = d;
            }
          }
          out[n][c][y][w] = h[winner[y * width + w]][y][w];
        }
      for (int64_t d = 0; d < count; ++d) {
        const ReferenceScan scan(directions[d], height, width, gates);
        const at::Tensor e_tensor = at::zeros({height, width}, at::kDouble);
        auto e = e_tensor.accessor<double, 2>();
        for (int64_t t = scan.steps - 1; t >= 0; --t)
          for (int64_t i = 0; i < scan.lanes; ++i) {
            const Pixel to = At(directions[d], height, width, t, i);
            double sum = 0.0;
            double value =
                winner[to.y * width + to.x] == d ? dout[n][c][to.y][to.x] : 0.0;
            for (int64_t k = 0; k < gates; ++k) {
              const int64_t lane = i - scan.Offset(k);
              if (scan.Valid(k, lane, t + 1)) {
                value += scan.Get(p[n][d][k][c], t + 1, lane) *
                         scan.Get(e, t + 1, lane);
              }
            }
            e[to.y][to.x] = value;
            for (int64_t k = 0; k < gates; ++k) {
              if (!scan.Valid(k, i, t)) continue;
              sum += p[n][d][k][c][to.y][to.x];
              dp[n][d][k][c][to.y][to.x] =
                  value * (scan.Get(h[d], t - 1, i + scan.Offset(k)) -
                           x[n][c][to.y][to.x]);
            }
            dx[n][c][to.y][to.x] += (1.0 - sum) * value;
          }
      }
    }
  result.gates_gradient =
      torch::autograd::grad({p_graph}, {raw}, {dp_tensor})[0].view(
          gates_any.sizes());
  return result;
}

std::vector<at::Tensor> RunWithGradients(
    const at::Tensor& x, const at::Tensor& gates,
    const SpatialPropagationOptions& options, const at::Tensor& cotangent) {
  // detach keeps the strides.
  const at::Tensor x_leaf = x.detach().set_requires_grad(true);
  const at::Tensor gates_leaf = gates.detach().set_requires_grad(true);
  const at::Tensor out = SpatialPropagation(x_leaf, gates_leaf, options);
  const std::vector<at::Tensor> gradients =
      torch::autograd::grad({out}, {x_leaf, gates_leaf}, {cotangent});
  return {out.detach(), gradients[0], gradients[1]};
}

// ---------------------------------------------------------------------- tests

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
                                           {2, 3, 34, 33},
                                           {1, 4, 1, 6},
                                           {1, 4, 6, 1},
                                           {2, 6, 1, 1}}) {
      const at::Tensor x = Random({s.n, s.c, s.h, s.w});
      const at::Tensor gates = RandomGates(x, options);
      const at::Tensor cotangent = Random(x.sizes(), 5);
      const ReferenceResult expected =
          Reference(x, gates, kDirections, options, cotangent);
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
    for (ScanDirection direction : kDirections) {
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
    at::Tensor gates = at::zeros({1, 5 * K(options), 7, 9}, at::kDouble);
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
    for (ScanDirection direction : kDirections) {
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
        const ReferenceScan scan(direction, height, width, K(options));
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
      const ReferenceScan scan(kDirections[d], 6, 18, K(options));
      for (int64_t k = 0; k < K(options); ++k)
        for (int64_t t = 0; t < scan.steps; ++t)
          for (int64_t i = 0; i < scan.lanes; ++i) {
            if (scan.Valid(k, i, t)) continue;
            const Pixel p = At(kDirections[d], 6, 18, t, i);
            const int64_t first =
                (static_cast<int64_t>(d) * K(options) + k) * 5;
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
    const int64_t gates_count = K(options);
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
                                 kDirections[d], options);
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
        const Pixel first = At(kDirections[d], 5, 5, 0, 2);
        EXPECT_FALSE(out.select(2, first.y)
                         .select(2, first.x)
                         .isnan()
                         .any()
                         .item<bool>());
      }
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
  for (ScanDirection direction : kDirections) {
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

TEST(SpatialPropagationTest, NumberOfThreadsDoesNotChangeABit) {
  const int threads = at::get_num_threads();
  for (at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (bool channels_last : {false, true}) {
      const auto options = Options(true, Rule::kDivide);
      const at::Tensor x = Random({1, 40, 33, 40}).to(type);
      const at::Tensor gates = RandomGates(x, options).to(type);
      const at::Tensor cotangent = Random(x.sizes(), 5).to(type);
      const auto run = [&](int count) {
        at::set_num_threads(count);
        return channels_last
                   ? RunWithGradients(ChannelsLast(x), ChannelsLast(gates),
                                      options, cotangent)
                   : RunWithGradients(x, gates, options, cotangent);
      };
      const auto expected = run(1);
      for (int count : {2, 3, 5}) {
        const auto actual = run(count);
        for (int i = 0; i < 3; ++i) {
          EXPECT_TRUE(at::equal(actual[i], expected[i])) << count;
        }
      }
    }
  }
  at::set_num_threads(threads);
}

// Runs `check` with each instruction set that this CPU has, one after the
// other.
void ForEachTarget(const std::function<void(const char*)>& check) {
  for (int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    check(hwy::TargetName(target));
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

TEST(SpatialPropagationTest, EveryInstructionSetAgrees) {
  for (const auto& options : AllOptions()) {
    for (at::ScalarType type : {at::kFloat, at::kDouble}) {
      const at::Tensor x = Random({1, 21, 7, 19}).to(type);
      const at::Tensor gates = RandomGates(x, options).to(type);
      const at::Tensor cotangent = Random(x.sizes(), 5).to(type);
      const auto run = [&] {
        auto all = RunWithGradients(x, gates, options, cotangent);
        for (const at::Tensor& y : RunWithGradients(
                 ChannelsLast(x), ChannelsLast(gates), options, cotangent)) {
          all.push_back(y);
        }
        return all;
      };
      const auto expected = run();
      ForEachTarget([&](const char* name) {
        const auto actual = run();
        // No fused multiply-add on the older ones; 1 / S up to 100 in the last.
        const double tolerance = type == at::kFloat ? 1e-3 : 1e-11;
        for (size_t i = 0; i < actual.size(); ++i) {
          EXPECT_TRUE(
              at::allclose(actual[i], expected[i], tolerance, tolerance))
              << name << ", " << Name(options) << ", result " << i;
        }
      });
    }
  }
}

TEST(SpatialPropagationTest, OutputHasTheLayoutOfTheGates) {
  const auto options = Options(true, Rule::kDivide);
  const at::Tensor x = Random({2, 5, 6, 7});
  const at::Tensor gates = RandomGates(x, options);
  const auto last = at::MemoryFormat::ChannelsLast;
  EXPECT_TRUE(SpatialPropagation(x, gates, options).is_contiguous());
  EXPECT_TRUE(
      SpatialPropagation(ChannelsLast(x), gates, options).is_contiguous());
  const auto result = RunWithGradients(x, ChannelsLast(gates), options, x);
  for (const at::Tensor& y : result) EXPECT_TRUE(y.is_contiguous(last));
}

// Hands allocations on and counts them.
class CountingAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    ++count_;
    bytes_ += static_cast<int64_t>(bytes);
    return base_->allocate(bytes);
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  int64_t count() const { return count_; }
  int64_t bytes() const { return bytes_; }

 private:
  c10::Allocator* base_ = c10::GetDefaultCPUAllocator();
  int64_t count_ = 0, bytes_ = 0;
};

TEST(SpatialPropagationTest, AllocatesOutputsAndOneScratchBlock) {
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  const auto options = Options(true, Rule::kDivide);
  for (bool channels_last : {false, true}) {
    const auto layout = [&](const at::Tensor& y) {
      return channels_last ? ChannelsLast(y) : y;
    };
    const at::Tensor x = layout(Random({2, 32, 64, 64}).to(at::kFloat));
    const at::Tensor gates = layout(RandomGates(x, options).to(at::kFloat));
    const at::Tensor x_leaf = x.detach().set_requires_grad(true);
    const at::Tensor gates_leaf = gates.detach().set_requires_grad(true);
    CountingAllocator inference, forward, backward;
    c10::SetCPUAllocator(&inference);
    SpatialPropagation(x, gates, options);
    c10::SetCPUAllocator(&forward);
    const at::Tensor out = SpatialPropagation(x_leaf, gates_leaf, options);
    c10::SetCPUAllocator(&backward);
    torch::autograd::grad({out}, {x_leaf, gates_leaf}, {x});
    c10::SetCPUAllocator(c10::GetDefaultCPUAllocator());
    EXPECT_EQ(inference.count(), 2);  // output, scratch
    EXPECT_EQ(forward.count(), 4);    // ... winner and checkpoints
    EXPECT_EQ(backward.count(), 3);   // two gradients, scratch
    const double map = 4.0 * static_cast<double>(x.numel());
    EXPECT_LT(static_cast<double>(inference.bytes()), 1.2 * map);
    EXPECT_LT(static_cast<double>(forward.bytes()), 2.4 * map);
    EXPECT_LT(static_cast<double>(backward.bytes()), 13.5 * map);
  }
  at::set_num_threads(threads);
}

TEST(SpatialPropagationTest, EmptySizes) {
  const auto options = Options(true, Rule::kDivide);
  for (std::vector<int64_t> sizes : std::vector<std::vector<int64_t>>{
           {0, 3, 4, 5}, {2, 0, 4, 5}, {2, 3, 0, 5}, {2, 3, 4, 0}}) {
    const at::Tensor x = at::zeros(sizes).set_requires_grad(true);
    sizes[1] *= 12;
    const at::Tensor gates = at::zeros(sizes).set_requires_grad(true);
    const at::Tensor out = SpatialPropagation(x, gates, options);
    EXPECT_EQ(out.sizes(), x.sizes());
    const auto gradients = torch::autograd::grad({out.sum()}, {x, gates});
    EXPECT_EQ(gradients[0].sizes(), x.sizes());
    EXPECT_EQ(gradients[1].sizes(), gates.sizes());
  }
}

void ExpectError(const std::function<void()>& call, const char* message) {
  try {
    call();
    ADD_FAILURE() << "no error; expected " << message;
  } catch (const c10::Error& error) {
    EXPECT_THAT(error.what_without_backtrace(), HasSubstr(message));
  }
}

TEST(SpatialPropagationTest, Errors) {
  const at::Tensor x = at::zeros({2, 3, 4, 5});
  const at::Tensor gates = at::zeros({2, 36, 4, 5});
  ExpectError([&] { SpatialPropagation(x[0], gates); },
              "x must be [N, C, H, W], got sizes [3, 4, 5]");
  ExpectError(
      [&] {
        SpatialPropagation(x, at::zeros({2, 24, 4, 5}));
      },
      "gates must be [2, 36, 4, 5] (12 gates for each of 3 channels), got "
      "[2, 24, 4, 5]");
  ExpectError(
      [&] { SpatialPropagation(x, gates, Options(false, Rule::kClamp)); },
      "gates must be [2, 12, 4, 5] (4 gates for each of 3 channels), got "
      "[2, 36, 4, 5]");
  ExpectError(
      [&] { SpatialPropagationScan(x, gates, ScanDirection::kTopToBottom); },
      "gates must be [2, 9, 4, 5] (3 gates");
  ExpectError([&] { SpatialPropagation(x.to(at::kHalf), gates); },
              "x must be float32 or float64, got Half");
  ExpectError([&] { SpatialPropagation(x, gates.to(at::kDouble)); },
              "gates must have the type of x, Float, got Double");
  ExpectError([&] { SpatialPropagation(x.to(at::kMeta), gates); },
              "must be on the CPU (no CUDA kernel is built), got meta and cpu");
  for (Rule rule : {Rule::kDivide, Rule::kDividePlus}) {
    ExpectError([&] { SpatialPropagation(x, gates, Options(false, rule)); },
                "one-way gates need the normalization kClamp, kTanh or kNone");
    ExpectError([&] { SpatialPropagationLayer unit(Options(false, rule)); },
                "one-way gates need");
  }
  ExpectError(
      [&] {
        const at::Tensor leaf = x.clone().set_requires_grad(true);
        torch::autograd::grad({SpatialPropagation(leaf, gates).sum()}, {leaf},
                              {}, /*retain_graph=*/true, /*create_graph=*/true);
      },
      "double backward is not supported");
}

TEST(SpatialPropagationLayerTest, AppliesItsOptions) {
  const auto options = Options(false, Rule::kTanh);
  SpatialPropagationLayer unit(options);
  EXPECT_EQ(unit->gate_channels(32), 128);
  EXPECT_EQ(SpatialPropagationLayer()->gate_channels(32), 384);
  EXPECT_TRUE(unit->parameters().empty());
  const at::Tensor x = Random({1, 5, 4, 4});
  const at::Tensor gates = RandomGates(x, options);
  EXPECT_TRUE(at::equal(unit(x, gates), SpatialPropagation(x, gates, options)));
  std::ostringstream text;
  text << unit;
  EXPECT_EQ(text.str(), "seg::SpatialPropagationLayer(one-way)");
}

}  // namespace
}  // namespace seg
