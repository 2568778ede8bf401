// Speed of the minimum cut on 4-connected grids with a two-label Potts energy:
// noisy unaries of a disc, one weight for all neighbours.
//
//   BM_Grid:          one cut; no peer (time of one call)
//   BM_VsEdmondsKarp: peer = max_flow_reference.h; small grids only, as its
//                     time grows with the square of the pixels
//   BM_SweepVsFresh:  20 rising source capacities in one graph; peer = the same
//                     cuts from a flow of zero each
// Arguments: width, height. One thread.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/base/random.h"
#include "common/solvers/max_flow.h"
#include "common/solvers/max_flow_reference.h"
#include "common/testing/paired_benchmark.h"

namespace seg {
namespace {

struct Grid {
  int64_t nodes = 0;
  std::vector<FlowEdge> edges;
  std::vector<int64_t> source, sink;
};

Grid MakeGrid(const benchmark::State& state) {
  const int64_t width = state.range(0), height = state.range(1);
  Grid grid;
  grid.nodes = width * height;
  Rng rng(1);
  const auto add = [&](int64_t a, int64_t b) {
    grid.edges.push_back(
        {static_cast<int32_t>(a), static_cast<int32_t>(b), 1000, 1000});
  };
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const double dy = (static_cast<double>(y) + 0.5) / height - 0.5;
      const double dx = (static_cast<double>(x) + 0.5) / width - 0.5;
      const bool inside = std::hypot(dy, dx) < 0.3;
      const int64_t unary = (inside ? 300 : -300) + rng.Between(-1500, 1500);
      grid.source.push_back(std::max<int64_t>(unary, 0));
      grid.sink.push_back(std::max<int64_t>(-unary, 0));
      if (x + 1 < width) add(y * width + x, y * width + x + 1);
      if (y + 1 < height) add(y * width + x, (y + 1) * width + x);
    }
  }
  return grid;
}

MinCut Cut(const Grid& grid) {
  return *MaxFlow::Create(grid.nodes, grid.edges)
              ->Solve(grid.source, grid.sink);
}

void BM_Grid(benchmark::State& state) {
  const Grid grid = MakeGrid(state);
  for (auto _ : state) benchmark::DoNotOptimize(Cut(grid).value);
}

void BM_VsEdmondsKarp(benchmark::State& state) {
  const Grid grid = MakeGrid(state);
  const auto naive = [&] {
    return EdmondsKarp(grid.edges, grid.source, grid.sink).value;
  };
  if (Cut(grid).value != naive()) {
    state.SkipWithError("values differ");
    return;
  }
  RunPaired(
      state, Clock::kThread, 0,
      [&] { benchmark::DoNotOptimize(Cut(grid).value); },
      [&] { benchmark::DoNotOptimize(naive()); });
}

void BM_SweepVsFresh(benchmark::State& state) {
  const Grid grid = MakeGrid(state);
  const auto sweep = [&](bool fresh) {
    MaxFlow graph = *MaxFlow::Create(grid.nodes, grid.edges);
    const MaxFlow unused = graph;
    std::vector<int64_t> source = grid.source;
    int64_t sum = 0;
    for (int k = 0; k < 20; ++k) {
      for (int64_t& c : source) c += 40;
      if (fresh) graph = unused;
      sum += graph.Solve(source, grid.sink)->value;
    }
    return sum;
  };
  if (sweep(true) != sweep(false)) {
    state.SkipWithError("values differ");
    return;
  }
  RunPaired(
      state, Clock::kThread, 0, [&] { benchmark::DoNotOptimize(sweep(false)); },
      [&] { benchmark::DoNotOptimize(sweep(true)); });
}

BENCHMARK(BM_Grid)
    ->Args({320, 240})
    ->Iterations(15)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BM_VsEdmondsKarp)
    ->Args({40, 30})
    ->Args({80, 60})
    ->UseManualTime()
    ->Iterations(5);
BENCHMARK(BM_SweepVsFresh)
    ->Args({160, 120})
    ->Args({320, 240})
    ->UseManualTime()
    ->Iterations(5);

}  // namespace
}  // namespace seg

BENCHMARK_MAIN();
