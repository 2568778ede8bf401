// Speed of the Dice loss, forward and backward, against the form of LibTorch's
// operators, paired (A B B A), one thread, float32.
//
// Arguments: images, classes, size of the images. 16 x 5 x 32 is a step of a
// small segmenter, 64 x 9 x 128 one of GANSeg's.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <torch/csrc/autograd/autograd.h>

#include "common/losses/dice.h"
#include "common/testing/paired_benchmark.h"

namespace seg {
namespace {

using Form = at::Tensor (*)(const at::Tensor&, const at::Tensor&,
                            const DiceOptions&);

void Compare(benchmark::State& state, bool with_gradient) {
  at::set_num_threads(1);
  at::manual_seed(1);
  const int64_t images = state.range(0), classes = state.range(1),
                size = state.range(2);
  const at::Tensor scores =
      at::randn({images, classes, size, size}).set_requires_grad(with_gradient);
  const at::Tensor labels =
      at::randint(0, classes, {images, size, size}, at::kLong);
  const auto run = [&](Form form) {
    const at::Tensor loss = form(scores, labels, {});
    return with_gradient ? torch::autograd::grad({loss}, {scores})[0] : loss;
  };
  const at::Tensor theirs = run(&DiceLossComposed);
  if (!at::allclose(run(&DiceLoss), theirs, 1e-4,
                    1e-5 * theirs.abs().max().item<double>())) {
    state.SkipWithError("results differ");
    return;
  }
  // Forward: scores, p and labels; backward: p, labels and the gradient.
  const int64_t bytes = (with_gradient ? 16 : 8) * scores.numel() +
                        (with_gradient ? 16 : 8) * labels.numel();
  RunPaired(
      state, Clock::kThread, bytes, [&] { run(&DiceLoss); },
      [&] { run(&DiceLossComposed); });
}

void BM_Forward(benchmark::State& state) { Compare(state, false); }
void BM_Step(benchmark::State& state) { Compare(state, true); }

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({16, 5, 32})->Args({16, 9, 128})->Args({64, 9, 128});
  benchmark->UseManualTime()->Iterations(15)->Unit(benchmark::kMicrosecond);
}

BENCHMARK(BM_Forward)->Apply(Sizes);
BENCHMARK(BM_Step)->Apply(Sizes);

}  // namespace
}  // namespace seg

BENCHMARK_MAIN();
