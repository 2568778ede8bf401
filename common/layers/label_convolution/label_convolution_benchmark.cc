// Speed of the label convolution against at::conv2d (oneDNN), paired (A B B A),
// one thread. 9 x 9 kernels, one image, float32.
//
//   BM_Forward, BM_GradientOfQ, BM_GradientOfWeight: ours against conv2d
//   BM_TwoThreadsVsOne: forward and both gradients
// Arguments: labels, height, width. Counter GFLOPs: 2 * 81 L^2 H W / time.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <vector>

#include "common/layers/label_convolution/label_convolution.h"
#include "common/testing/paired_benchmark.h"

namespace seg {
namespace {

struct Problem {
  explicit Problem(const benchmark::State& state) {
    at::manual_seed(1);
    const int64_t labels = state.range(0);
    q = at::softmax(at::randn({1, labels, state.range(1), state.range(2)}), 1);
    weight = 0.1 * at::randn({labels, labels, 9, 9});
    g = at::randn_like(q);
    q.set_requires_grad(true);
    weight.set_requires_grad(true);
    flops = 2.0 * 81.0 * static_cast<double>(labels * q.numel());
  }
  at::Tensor Conv2d() const {
    return at::conv2d(q, weight, {}, at::IntArrayRef({1, 1}),
                      at::IntArrayRef({4, 4}));
  }
  at::Tensor q, weight, g;
  double flops;
};

bool SameResult(benchmark::State& state, const at::Tensor& a,
                const at::Tensor& b) {
  if (at::allclose(a, b, 1e-4, 1e-4 * b.abs().max().item<double>())) {
    return true;
  }
  state.SkipWithError("results differ");
  return false;
}

void ReportFlops(benchmark::State& state, double flops) {
  state.counters["GFLOPs"] = 1e-3 * flops / state.counters["ours_us"];
}

void BM_Forward(benchmark::State& state) {
  at::set_num_threads(1);
  const Problem problem(state);
  c10::NoGradGuard no_grad;
  const auto ours = [&] { return LabelConvolution(problem.q, problem.weight); };
  const auto theirs = [&] { return problem.Conv2d(); };
  if (!SameResult(state, ours(), theirs())) return;
  RunPaired(state, Clock::kThread, 0, ours, theirs);
  ReportFlops(state, problem.flops);
}

void Gradient(benchmark::State& state, bool of_weight) {
  at::set_num_threads(1);
  const Problem problem(state);
  const at::Tensor a = LabelConvolution(problem.q, problem.weight);
  const at::Tensor b = problem.Conv2d();
  const at::Tensor& input = of_weight ? problem.weight : problem.q;
  const auto run = [&](const at::Tensor& y) {
    return torch::autograd::grad({y}, {input}, {problem.g},
                                 /*retain_graph=*/true)[0];
  };
  if (!SameResult(state, run(a), run(b))) return;
  RunPaired(
      state, Clock::kThread, 0, [&] { run(a); }, [&] { run(b); });
  ReportFlops(state, problem.flops);
}

void BM_GradientOfQ(benchmark::State& state) { Gradient(state, false); }
void BM_GradientOfWeight(benchmark::State& state) { Gradient(state, true); }

void BM_TwoThreadsVsOne(benchmark::State& state) {
  const Problem problem(state);
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    const at::Tensor y = LabelConvolution(problem.q, problem.weight);
    torch::autograd::grad({y}, {problem.q, problem.weight}, {problem.g});
  };
  RunPaired(
      state, Clock::kWall, 0, [&] { run(2); }, [&] { run(1); });
  ReportFlops(state, 3.0 * problem.flops);
  at::set_num_threads(1);
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({2, 256, 256})->Args({2, 213, 320})->Args({5, 240, 320});
  benchmark->Args({21, 240, 320});
  benchmark->UseManualTime()->Iterations(11)->Unit(benchmark::kMicrosecond);
}

BENCHMARK(BM_Forward)->Apply(Sizes);
BENCHMARK(BM_GradientOfQ)->Apply(Sizes);
BENCHMARK(BM_GradientOfWeight)->Apply(Sizes);
BENCHMARK(BM_TwoThreadsVsOne)->Apply(Sizes);

}  // namespace
}  // namespace seg

BENCHMARK_MAIN();
