// Speed of the expected UOI, forward and backward, against the form of
// LibTorch's operators, paired (A B B A), one thread, float32.
//
// Arguments: images, classes, size of the grid. 21 x 13 is the grid of
// SegNet; 16 x 21 x 64 is one of a finer network.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <torch/csrc/autograd/autograd.h>

#include "common/losses/expected_iou.h"
#include "common/testing/paired_benchmark.h"

namespace seg {
namespace {

using Form = ExpectedIouResult (*)(const at::Tensor&, const at::Tensor&,
                                   const ExpectedIouOptions&);

void Compare(benchmark::State& state, bool with_gradient) {
  at::set_num_threads(1);
  at::manual_seed(1);
  const int64_t images = state.range(0), classes = state.range(1),
                size = state.range(2);
  const at::Tensor scores =
      at::randn({images, classes, size, size}).set_requires_grad(with_gradient);
  const at::Tensor target =
      at::softmax(4 * at::randn({images, classes, size, size}), 1);
  const auto run = [&](Form form) {
    const at::Tensor loss = form(scores, target, {}).value;
    return with_gradient ? torch::autograd::grad({loss}, {scores})[0] : loss;
  };
  const at::Tensor theirs = run(&ExpectedUoiComposed);
  if (!at::allclose(run(&ExpectedUoi), theirs, 1e-4,
                    1e-5 * theirs.abs().max().item<double>())) {
    state.SkipWithError("results differ");
    return;
  }
  // Forward: scores, ph and target; backward: ph, target and the gradient.
  const int64_t bytes = (with_gradient ? 24 : 12) * scores.numel();
  RunPaired(
      state, Clock::kThread, bytes, [&] { run(&ExpectedUoi); },
      [&] { run(&ExpectedUoiComposed); });
}

void BM_Forward(benchmark::State& state) { Compare(state, false); }
void BM_Step(benchmark::State& state) { Compare(state, true); }

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({32, 21, 13})->Args({256, 21, 13})->Args({16, 21, 64});
  benchmark->UseManualTime()->Iterations(15)->Unit(benchmark::kMicrosecond);
}

BENCHMARK(BM_Forward)->Apply(Sizes);
BENCHMARK(BM_Step)->Apply(Sizes);

}  // namespace
}  // namespace seg

BENCHMARK_MAIN();
