// What evaluation does with a picture besides running the network: arg-max,
// confusion counts, boundary scores. 4000 x 3000 pixels, discs of the classes
// on a background, planes or channels last. Run with OMP_NUM_THREADS=1.
#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include "common/metrics/arg_max.h"
#include "common/metrics/boundary_iou.h"
#include "common/metrics/confusion_matrix.h"

namespace seg {
namespace {

constexpr int64_t kHeight = 3000;
constexpr int64_t kWidth = 4000;

// uint8 [H,W]: a grid of discs, 400 pixels apart.
at::Tensor Discs(int64_t classes, int64_t radius) {
  const at::Tensor y = at::arange(kHeight, at::kLong).view({-1, 1});
  const at::Tensor x = at::arange(kWidth, at::kLong).view({1, -1});
  const auto within = [](const at::Tensor& t) {
    return t.remainder(400) - 200;
  };
  const at::Tensor inside =
      (within(y).square() + within(x).square()) < radius * radius;
  const at::Tensor disc =
      (y.div(400, "floor") * 10 + x.div(400, "floor")).remainder(classes - 1) +
      1;
  return at::where(inside, disc, 0).to(at::kByte).contiguous();
}

at::Tensor Scores(int64_t classes, bool channels_last) {
  const at::Tensor scores = at::rand({1, classes, kHeight, kWidth});
  return channels_last ? scores.contiguous(at::MemoryFormat::ChannelsLast)
                       : scores;
}

void BM_AtArgMax(benchmark::State& state) {
  const at::Tensor scores = Scores(state.range(0), state.range(1) != 0);
  for (auto _ : state) {
    benchmark::DoNotOptimize(scores[0].argmax(0).to(at::kByte));
  }
}
void BM_ArgMaxLabels(benchmark::State& state) {
  const at::Tensor scores = Scores(state.range(0), state.range(1) != 0);
  for (auto _ : state) benchmark::DoNotOptimize(ArgMaxLabels(scores[0]));
}
BENCHMARK(BM_AtArgMax)
    ->Args({2, 0})
    ->Args({2, 1})
    ->Args({11, 0})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BM_ArgMaxLabels)
    ->Args({2, 0})
    ->Args({2, 1})
    ->Args({11, 0})
    ->Unit(benchmark::kMillisecond);

void BM_Confusion(benchmark::State& state) {
  const at::Tensor truth = Discs(state.range(0), 150);
  const at::Tensor labels = Discs(state.range(0), 145);
  for (auto _ : state) {
    ConfusionMatrix confusion(state.range(0), 255);
    confusion.Add(labels, truth);
    benchmark::DoNotOptimize(confusion.total());
  }
}
BENCHMARK(BM_Confusion)->Arg(2)->Arg(11)->Unit(benchmark::kMillisecond);

// By one exact distance transform a class, as SquaredDistanceToBoundary.
void BM_TrimapByTransform(benchmark::State& state) {
  const at::Tensor truth = Discs(state.range(0), 150);
  const at::Tensor labels = Discs(state.range(0), 145);
  for (auto _ : state) {
    const at::Tensor t = truth.to(at::kLong), p = labels.to(at::kLong);
    const at::Tensor distance = SquaredDistanceToBoundary(t, 255);
    for (const int64_t squared : {4, 25}) {
      ConfusionMatrix confusion(state.range(0), 255);
      confusion.Add(p, t, distance <= squared);
      benchmark::DoNotOptimize(confusion.total());
    }
  }
}
BENCHMARK(BM_TrimapByTransform)->Arg(2)->Arg(11)->Unit(benchmark::kMillisecond);

void BM_Trimap(benchmark::State& state) {
  const at::Tensor truth = Discs(state.range(0), 150);
  const at::Tensor labels = Discs(state.range(0), 145);
  TrimapOptions options;
  options.radii = {2, 5};  // as evaluate.h has it
  for (auto _ : state) {
    TrimapIou trimap(state.range(0), options);
    trimap.Add(labels, truth);
    benchmark::DoNotOptimize(trimap.confusion(0).total());
  }
}
BENCHMARK(BM_Trimap)->Arg(2)->Arg(11)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace seg

BENCHMARK_MAIN();
