// What an image costs between its proposals and the ranker: 30 proposals of
// 500 x 375 pixels and 21 classes, as in the paper. Run with
// OMP_NUM_THREADS=1.
#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include "segnet_rerank/contours.h"
#include "segnet_rerank/proposal_accuracy.h"
#include "segnet_rerank/ranking_features.h"

namespace seg {
namespace segnet_rerank {
namespace {

constexpr int64_t kProposals = 30, kClasses = 21;
constexpr int64_t kHeight = 375, kWidth = 500;

// Smooth colours.
at::Tensor Image() {
  return at::upsample_bilinear2d(at::rand({1, 3, 40, 50}) * 255,
                                 {kHeight, kWidth}, false)[0]
      .to(at::kByte);
}

// uint8 [M,H,W]: rectangles of a few classes on the background.
at::Tensor Labels(int64_t m) {
  at::manual_seed(1);
  at::Tensor labels = at::zeros({m, kHeight, kWidth}, at::kByte);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t k = 0; k < 3; ++k) {
      const int64_t y = 20 + 5 * i + 40 * k, x = 10 + 9 * i + 70 * k;
      labels[i]
          .slice(0, y, y + 120)
          .slice(1, x, x + 160)
          .fill_(1 + (i + 7 * k) % (kClasses - 1));
    }
  }
  return labels;
}

void BM_ContourStrength(benchmark::State& state) {
  const at::Tensor image = Image();
  for (auto _ : state) benchmark::DoNotOptimize(ContourStrength(image));
}
BENCHMARK(BM_ContourStrength)->Unit(benchmark::kMillisecond);

void BM_ContourAgreement(benchmark::State& state) {
  const at::Tensor labels = Labels(kProposals);
  const at::Tensor contours = ContourStrength(Image());
  for (auto _ : state) {
    benchmark::DoNotOptimize(ContourAgreement(labels, contours));
  }
}
BENCHMARK(BM_ContourAgreement)->Unit(benchmark::kMillisecond);

void BM_RankingFeatures(benchmark::State& state) {
  RankingInput input;
  input.labels = Labels(kProposals);
  input.shares = at::softmax(4 * at::randn({kProposals, kClasses, 13, 13}), 1);
  input.coarse = at::softmax(at::randn({kClasses, 13, 13}), 0);
  input.score = at::randn({kProposals});
  input.class_scores = at::randn({kClasses - 1});
  input.size_scores = at::randn({kClasses - 1, 4});
  input.area_thresholds = at::rand({kClasses - 1, 4}, at::kDouble);
  input.contours = ContourStrength(Image());
  for (auto _ : state) benchmark::DoNotOptimize(RankingFeatures(input));
}
BENCHMARK(BM_RankingFeatures)->Unit(benchmark::kMillisecond);

void BM_CountByClass(benchmark::State& state) {
  const at::Tensor labels = Labels(kProposals), truth = Labels(1)[0];
  for (auto _ : state) {
    benchmark::DoNotOptimize(CountByClass(labels, truth, kClasses));
  }
}
BENCHMARK(BM_CountByClass)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg

BENCHMARK_MAIN();
