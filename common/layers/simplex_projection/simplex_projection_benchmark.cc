// Speed of the simplex projection against the sort form, paired (A B B A).
//
//   BM_ForwardVsSort:   peer = std::sort of each pixel in one tight loop
//   BM_ForwardVsEager:  peer = at::sort, cumsum, gather
//   BM_ForwardVsCopy:   peer = copy of the minimum bytes (read x, write y)
//   BM_BackwardVsEager: peer = the same formula in eager operators
//   BM_StepVsTwoPasses: peer = q - step * gradient, then SimplexProjection
//   BM_ChannelsLastVsSort, BM_TwoThreadsVsOne
// Arguments: labels, height, width. One thread unless said; one image. Inputs
// are soft-max probabilities moved by a gradient step of about 0.5, the values
// that projected gradient descent gives the projection.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "common/layers/simplex_projection/simplex_projection.h"
#include "common/testing/paired_benchmark.h"

namespace seg {
namespace {

at::Tensor MakeInput(const benchmark::State& state) {
  at::manual_seed(1);
  const std::vector<int64_t> sizes = {1, state.range(0), state.range(1),
                                      state.range(2)};
  const at::Tensor q = at::softmax(2.0 * at::randn(sizes), 1);
  return q + 0.5 * at::randn(sizes);
}

// The algorithm of the paper with a sorted copy of each pixel.
at::Tensor SortForm(const at::Tensor& x) {
  const int64_t labels = x.size(1), pixels = x.size(2) * x.size(3);
  at::Tensor y = at::empty_like(x);
  const float* from = x.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  const int64_t label = x.stride(1), pixel = x.stride(3);
  std::vector<float> sorted(labels);
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t l = 0; l < labels; ++l) {
      sorted[l] = from[l * label + p * pixel];
    }
    std::sort(sorted.begin(), sorted.end(), std::greater<float>());
    float sum = -1.0f, tau = 0.0f;
    for (int64_t l = 0; l < labels; ++l) {
      sum += sorted[l];
      const float next = sum / static_cast<float>(l + 1);
      if (sorted[l] <= next) break;
      tau = next;
    }
    for (int64_t l = 0; l < labels; ++l) {
      to[l * label + p * pixel] =
          std::max(from[l * label + p * pixel] - tau, 0.0f);
    }
  }
  return y;
}

at::Tensor EagerForm(const at::Tensor& x) {
  const at::Tensor sorted =
      std::get<0>(at::sort(x, /*dim=*/1, /*descending=*/true));
  const at::Tensor rank =
      at::arange(1, x.size(1) + 1, x.options()).view({1, -1, 1, 1});
  const at::Tensor tau = (sorted.cumsum(1) - 1) / rank;
  const at::Tensor last = (sorted > tau).sum(1, /*keepdim=*/true) - 1;
  return (x - tau.gather(1, last)).clamp_min(0);
}

bool SameResult(benchmark::State& state, const at::Tensor& a,
                const at::Tensor& b) {
  if (at::allclose(a, b, 1e-5, 1e-5)) return true;
  state.SkipWithError("results differ");
  return false;
}

void BM_ForwardVsSort(benchmark::State& state) {
  c10::NoGradGuard no_grad;
  at::set_num_threads(1);
  const at::Tensor x = MakeInput(state);
  if (!SameResult(state, SimplexProjection(x), SortForm(x))) return;
  RunPaired(
      state, Clock::kThread, 8 * x.numel(), [&] { SimplexProjection(x); },
      [&] { SortForm(x); });
}

void BM_ForwardVsEager(benchmark::State& state) {
  c10::NoGradGuard no_grad;
  at::set_num_threads(1);
  const at::Tensor x = MakeInput(state);
  if (!SameResult(state, SimplexProjection(x), EagerForm(x))) return;
  RunPaired(
      state, Clock::kThread, 8 * x.numel(), [&] { SimplexProjection(x); },
      [&] { EagerForm(x); });
}

void BM_ForwardVsCopy(benchmark::State& state) {
  c10::NoGradGuard no_grad;
  at::set_num_threads(1);
  const at::Tensor x = MakeInput(state);
  RunPaired(
      state, Clock::kThread, 8 * x.numel(), [&] { SimplexProjection(x); },
      [&] { x.clone(); });
}

void BM_ChannelsLastVsSort(benchmark::State& state) {
  c10::NoGradGuard no_grad;
  at::set_num_threads(1);
  const at::Tensor x =
      MakeInput(state).contiguous(at::MemoryFormat::ChannelsLast);
  if (!SameResult(state, SimplexProjection(x), SortForm(x))) return;
  RunPaired(
      state, Clock::kThread, 8 * x.numel(), [&] { SimplexProjection(x); },
      [&] { SortForm(x); });
}

void BM_BackwardVsEager(benchmark::State& state) {
  at::set_num_threads(1);
  const at::Tensor x = MakeInput(state).set_requires_grad(true);
  const at::Tensor g = at::randn_like(x);
  const at::Tensor y = SimplexProjection(x);
  const at::Tensor kept = y.detach();
  const auto ours = [&] {
    return torch::autograd::grad({y}, {x}, {g}, /*retain_graph=*/true)[0];
  };
  const auto eager = [&] {
    const at::Tensor active = (kept > 0).to(at::kFloat);
    const at::Tensor r = g * active;
    return r - active * (r.sum(1, true) / active.sum(1, true));
  };
  if (!SameResult(state, ours(), eager())) return;
  c10::NoGradGuard no_grad;
  RunPaired(state, Clock::kThread, 12 * x.numel(), ours, eager);
}

void BM_StepVsTwoPasses(benchmark::State& state) {
  c10::NoGradGuard no_grad;
  at::set_num_threads(1);
  const at::Tensor q = MakeInput(state);
  const at::Tensor gradient = at::randn_like(q);
  const auto two = [&] { return SimplexProjection(at::sub(q, gradient, 0.5)); };
  if (!SameResult(state, SimplexProjectionStep(q, gradient, 0.5), two())) {
    return;
  }
  RunPaired(
      state, Clock::kThread, 12 * q.numel(),
      [&] { SimplexProjectionStep(q, gradient, 0.5); }, two);
}

void BM_TwoThreadsVsOne(benchmark::State& state) {
  c10::NoGradGuard no_grad;
  const at::Tensor x = MakeInput(state);
  RunPaired(
      state, Clock::kWall, 8 * x.numel(),
      [&] {
        at::set_num_threads(2);
        SimplexProjection(x);
      },
      [&] {
        at::set_num_threads(1);
        SimplexProjection(x);
      });
  at::set_num_threads(1);
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  for (int64_t labels : {2, 3, 5, 8, 12, 21}) {
    benchmark->Args({labels, 375, 500});
    benchmark->Args({labels, 480, 640});
  }
  benchmark->UseManualTime()->Iterations(15)->Unit(benchmark::kMicrosecond);
}

BENCHMARK(BM_ForwardVsSort)->Apply(Sizes);
BENCHMARK(BM_ForwardVsEager)->Apply(Sizes);
BENCHMARK(BM_ForwardVsCopy)->Apply(Sizes);
BENCHMARK(BM_ChannelsLastVsSort)->Apply(Sizes);
BENCHMARK(BM_BackwardVsEager)->Apply(Sizes);
BENCHMARK(BM_StepVsTwoPasses)->Apply(Sizes);
BENCHMARK(BM_TwoThreadsVsOne)->Apply(Sizes);

}  // namespace
}  // namespace seg

BENCHMARK_MAIN();
