// Speed of the class shares of labellings on a grid of 13 x 13, against the
// form of LibTorch's operators, paired (A B B A), one thread, 21 classes.
//
// Arguments: labellings, height, width, side of the squares of one label (1:
// noise, the worst case). 30 of 375 x 500 are the proposals of a PASCAL image.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include "common/testing/paired_benchmark.h"
#include "segnet_rerank/coarse.h"

namespace seg {
namespace segnet_rerank {
namespace {

constexpr int64_t kClasses = 21;
constexpr int64_t kVoid = 255;
constexpr int64_t kGrid = 13;

void BM_ClassShares(benchmark::State& state) {
  at::set_num_threads(1);
  at::manual_seed(1);
  const int64_t maps = state.range(0), height = state.range(1),
                width = state.range(2), side = state.range(3);
  const at::Tensor labels =
      at::randint(kClasses,
                  {maps, (height + side - 1) / side, (width + side - 1) / side})
          .repeat_interleave(side, 1)
          .repeat_interleave(side, 2)
          .slice(1, 0, height)
          .slice(2, 0, width)
          .to(at::kByte)
          .contiguous();
  const auto ours = [&] { return ClassShares(labels, kClasses, kVoid, kGrid); };
  const auto peer = [&] {
    return ClassSharesComposed(labels, kClasses, kVoid, kGrid);
  };
  if (!at::allclose(ours(), peer(), 0, 2e-6)) {
    state.SkipWithError("results differ");
    return;
  }
  RunPaired(state, Clock::kThread, labels.numel(), ours, peer);
}

BENCHMARK(BM_ClassShares)
    ->Args({30, 375, 500, 25})
    ->Args({30, 375, 500, 1})
    ->Args({1, 375, 500, 25})
    ->UseManualTime()
    ->Iterations(5)
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg

BENCHMARK_MAIN();
