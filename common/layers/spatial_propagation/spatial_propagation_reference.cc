#include "common/layers/spatial_propagation/spatial_propagation_reference.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>
#include <string>
#include <vector>

namespace seg {
namespace spatial_propagation_test {

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
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

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

}  // namespace

SpatialPropagationOptions Options(bool three_way, Rule rule, bool sum_all) {
  return SpatialPropagationOptions()
      .three_way(three_way)
      .normalization(rule)
      .sum_all_gates(sum_all);
}

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

int64_t GatesADirection(const SpatialPropagationOptions& options) {
  return options.three_way() ? 3 : 1;
}

at::Tensor RandomGates(const at::Tensor& x,
                       const SpatialPropagationOptions& options,
                       int64_t directions, int64_t seed) {
  const double scale = options.normalization() == Rule::kNone ? 0.2 : 0.5;
  return scale *
         Random({x.size(0), directions * GatesADirection(options) * x.size(1),
                 x.size(2), x.size(3)},
                seed);
}

at::Tensor ChannelsLastSlice(const at::Tensor& x) {
  const at::Tensor wide = at::full(
      {x.size(0), x.size(2), x.size(3), x.size(1) + 7}, kNan, x.options());
  const at::Tensor view = wide.slice(3, 3, 3 + x.size(1)).movedim(-1, 1);
  view.copy_(x);
  return view;
}

ReferenceResult Reference(const at::Tensor& x_any, const at::Tensor& gates_any,
                          const std::vector<ScanDirection>& directions,
                          const SpatialPropagationOptions& options,
                          const at::Tensor& cotangent_any) {
  const int64_t images = x_any.size(0), channels = x_any.size(1);
  const int64_t height = x_any.size(2), width = x_any.size(3);
  const int64_t count = static_cast<int64_t>(directions.size());
  const int64_t gates = GatesADirection(options);
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

}  // namespace spatial_propagation_test
}  // namespace seg
