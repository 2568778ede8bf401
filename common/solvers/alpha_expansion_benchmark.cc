// Speed of labellings under a Potts model on a 4-connected grid: noisy unaries
// of discs, one weight for all neighbours.
//
//   BM_DiverseVsCold: 10 diverse labellings of two labels in one graph; peer =
//                     the same labellings by AlphaExpansion on raised unaries,
//                     a graph from a flow of zero each. The argument is lambda
//                     in thousandths of the scale of the unaries.
//   BM_Labels:        one labelling; no peer (time of one call). The argument
//                     is the number of labels.
// Grid of 320 x 213 pixels. One thread.

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "common/base/random.h"
#include "common/solvers/alpha_expansion.h"
#include "common/testing/paired_benchmark.h"

namespace seg {
namespace {

constexpr int64_t kWidth = 320, kHeight = 213, kSolutions = 10;

struct Grid {
  int64_t num_labels = 0;
  std::vector<int64_t> unaries;
  std::vector<PottsEdge> edges;
};

// Label l >= 1 is a disc of its own, 0 the rest.
Grid MakeGrid(int64_t num_labels) {
  Grid grid;
  grid.num_labels = num_labels;
  Rng rng(1);
  const auto add = [&](int64_t a, int64_t b) {
    grid.edges.push_back(
        {static_cast<int32_t>(a), static_cast<int32_t>(b), 1000});
  };
  for (int64_t y = 0; y < kHeight; ++y) {
    for (int64_t x = 0; x < kWidth; ++x) {
      int64_t truth = 0;
      for (int64_t l = 1; l < num_labels; ++l) {
        const double cx = kWidth * (static_cast<double>(l) - 0.5) /
                          static_cast<double>(num_labels - 1);
        const double cy = kHeight * (l % 2 == 0 ? 0.35 : 0.65);
        const double radius =
            num_labels == 2 ? 0.3 * kHeight
                            : 0.5 * kWidth / static_cast<double>(num_labels);
        if (std::hypot(static_cast<double>(x) - cx,
                       static_cast<double>(y) - cy) < radius) {
          truth = l;
        }
      }
      for (int64_t l = 0; l < num_labels; ++l) {
        grid.unaries.push_back((l == truth ? 0 : 600) + rng.Below(1500));
      }
      if (x + 1 < kWidth) add(y * kWidth + x, y * kWidth + x + 1);
      if (y + 1 < kHeight) add(y * kWidth + x, (y + 1) * kWidth + x);
    }
  }
  return grid;
}

int64_t EnergyOfDiverse(const Grid& grid, int64_t lambda) {
  const auto solutions =
      DiverseM(grid.num_labels, grid.unaries, grid.edges, lambda, kSolutions);
  int64_t sum = 0;
  for (const PottsSolution& s : *solutions) {
    sum += s.energy;
  }
  return sum;
}

int64_t EnergyOfCold(const Grid& grid, int64_t lambda) {
  std::vector<int64_t> raised = grid.unaries;
  int64_t sum = 0;
  for (int64_t k = 0; k < kSolutions; ++k) {
    const PottsSolution s =
        *AlphaExpansion(grid.num_labels, raised, grid.edges);
    sum += PottsEnergy(grid.num_labels, grid.unaries, grid.edges, s.labels);
    for (size_t i = 0; i < s.labels.size(); ++i) {
      raised[i * grid.num_labels + s.labels[i]] += lambda;
    }
  }
  return sum;
}

void BM_DiverseVsCold(benchmark::State& state) {
  const Grid grid = MakeGrid(2);
  const int64_t lambda = state.range(0);
  if (EnergyOfDiverse(grid, lambda) != EnergyOfCold(grid, lambda)) {
    state.SkipWithError("energies differ");
    return;
  }
  RunPaired(
      state, Clock::kThread, 0,
      [&] { benchmark::DoNotOptimize(EnergyOfDiverse(grid, lambda)); },
      [&] { benchmark::DoNotOptimize(EnergyOfCold(grid, lambda)); });
}

void BM_Labels(benchmark::State& state) {
  const Grid grid = MakeGrid(state.range(0));
  int64_t sweeps = 0;
  for (auto _ : state) {
    sweeps = AlphaExpansion(grid.num_labels, grid.unaries, grid.edges)->sweeps;
  }
  state.counters["sweeps"] = static_cast<double>(sweeps);
}

BENCHMARK(BM_DiverseVsCold)
    ->Arg(50)
    ->Arg(200)
    ->Arg(800)
    ->UseManualTime()
    ->Iterations(5)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Labels)->Arg(2)->Arg(5)->Arg(21)->Iterations(3)->Unit(
    benchmark::kMillisecond);

}  // namespace
}  // namespace seg

BENCHMARK_MAIN();
