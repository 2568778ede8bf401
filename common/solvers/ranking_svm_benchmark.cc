// Speed of the ranking SVM with pairwise loss against the naive form: every
// difference of two items of a group written out as an example of a linear SVM
// (linear_svm.h, label 1, the pair's weight as importance). Both run to a
// relative duality gap of 1e-3 of their own objective; the linear SVM's hinges
// are squared, the ranking SVM's are not. The time to write the differences out
// is the peer's.
//   BM_VsPairs: groups, items, features. One thread.
//   BM_Loss: no peer; loss, groups, items, features (time of one training).

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "common/solvers/linear_svm.h"
#include "common/solvers/ranking_svm.h"
#include "common/testing/paired_benchmark.h"

namespace seg {
namespace {

struct Data {
  at::Tensor features, accuracies;
  std::vector<int64_t> sizes;
};

// Standardised features that say something of the accuracy, beside what all
// items of a group have in common.
Data MakeData(int64_t groups, int64_t items, int64_t size) {
  at::manual_seed(1);
  Data data;
  data.sizes.assign(groups, items);
  const at::Tensor common = at::randn({groups, 1, size});
  const at::Tensor own = at::randn({groups, items, size});
  const at::Tensor truth = at::randn({size}) / std::sqrt(size);
  const at::Tensor score = own.matmul(truth) + at::randn({groups, items});
  data.features = (common + own).view({groups * items, size}) * 0.7;
  data.accuracies = (0.5 + 0.1 * score).clamp(0, 1).flatten().to(at::kDouble);
  return data;
}

RankingSvmOptions Options(RankingLoss loss) {
  RankingSvmOptions options;
  options.loss = loss;
  options.c = 10.0;
  return options;
}

DualityGap TrainOnPairs(const Data& data) {
  const int64_t size = data.features.size(1);
  const double* a = data.accuracies.const_data_ptr<double>();
  std::vector<int64_t> better, worse;
  std::vector<double> weights;
  int64_t first = 0;
  for (const int64_t items : data.sizes) {
    const size_t begin = weights.size();
    double total = 0.0;
    for (int64_t i = first; i < first + items; ++i) {
      for (int64_t j = first; j < first + items; ++j) {
        if (a[i] <= a[j]) continue;
        better.push_back(i);
        worse.push_back(j);
        weights.push_back(a[i] - a[j]);
        total += a[i] - a[j];
      }
    }
    for (size_t k = begin; k < weights.size(); ++k) weights[k] /= total;
    first += items;
  }
  const int64_t pairs = static_cast<int64_t>(weights.size());
  at::Tensor differences = at::empty({pairs, size});
  const float* f = data.features.const_data_ptr<float>();
  float* d = differences.data_ptr<float>();
  for (int64_t k = 0; k < pairs; ++k) {
    for (int64_t i = 0; i < size; ++i) {
      d[k * size + i] = f[better[k] * size + i] - f[worse[k] * size + i];
    }
  }
  LinearSvmOptions options;
  options.c = 10.0 / static_cast<double>(data.sizes.size());
  return TrainLinearClassifier(differences, at::ones({1, pairs}),
                               at::tensor(weights, at::kDouble).unsqueeze(0),
                               options)
      .gaps[0];
}

DualityGap Train(const Data& data, RankingLoss loss) {
  return TrainRankingSvm(data.features, data.accuracies, data.sizes,
                         Options(loss))
      .gap;
}

void BM_VsPairs(benchmark::State& state) {
  at::set_num_threads(1);
  const Data data = MakeData(state.range(0), state.range(1), state.range(2));
  const DualityGap ours = Train(data, RankingLoss::kPairwise);
  const DualityGap peer = TrainOnPairs(data);
  if (ours.Relative() > 1e-3 || peer.Relative() > 1e-3) {
    state.SkipWithError("the gap stayed above 1e-3");
    return;
  }
  RunPaired(
      state, Clock::kThread, 0,
      [&] { benchmark::DoNotOptimize(Train(data, RankingLoss::kPairwise)); },
      [&] { benchmark::DoNotOptimize(TrainOnPairs(data)); });
  state.counters["passes"] = static_cast<double>(ours.passes);
  state.counters["peer_passes"] = static_cast<double>(peer.passes);
}

void BM_Loss(benchmark::State& state) {
  at::set_num_threads(1);
  const Data data = MakeData(state.range(1), state.range(2), state.range(3));
  DualityGap gap;
  for (auto _ : state) {
    gap = Train(data, static_cast<RankingLoss>(state.range(0)));
  }
  state.counters["passes"] = static_cast<double>(gap.passes);
  state.counters["gap"] = gap.Relative();
}

BENCHMARK(BM_VsPairs)
    ->Args({100, 30, 2152})
    ->UseManualTime()
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Loss)
    ->ArgsProduct({{0, 1, 2}, {1000}, {30}, {2152}})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace seg

BENCHMARK_MAIN();
