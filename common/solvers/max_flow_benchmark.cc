// Speed of the minimum cut on 4-connected grids with a two-label Potts energy:
// noisy unaries of a disc, one weight for all neighbours.
//
//   BM_Grid:          one cut; no peer (time of one call)
//   BM_VsEdmondsKarp: peer = shortest augmenting paths, breadth first from the
//                     source for each path; small grids only, as its time
//                     grows with the square of the pixels
//   BM_SweepVsFresh:  20 rising source capacities in one graph; peer = the same
//                     cuts from a flow of zero each
// Arguments: width, height. One thread.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/base/random.h"
#include "common/solvers/max_flow.h"
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

// The naive form: the shortest path from source to sink, again and again.
int64_t EdmondsKarp(const Grid& grid) {
  struct Arc {
    int32_t head;
    int64_t residual;
  };
  std::vector<Arc> arcs;  // an arc and its sister differ in the last bit
  std::vector<std::vector<int32_t>> leaving(grid.nodes);
  for (const FlowEdge& e : grid.edges) {
    leaving[e.from].push_back(static_cast<int32_t>(arcs.size()));
    arcs.push_back({e.to, e.capacity});
    leaving[e.to].push_back(static_cast<int32_t>(arcs.size()));
    arcs.push_back({e.from, e.reverse_capacity});
  }
  std::vector<int64_t> source = grid.source, sink = grid.sink;
  std::vector<int32_t> by(grid.nodes), queue(grid.nodes);
  int64_t value = 0;
  while (true) {
    std::fill(by.begin(), by.end(), -2);  // not reached
    size_t end = 0;
    int32_t last = -1;
    for (int32_t i = 0; i < grid.nodes; ++i) {
      if (source[i] > 0) by[i] = -1, queue[end++] = i;
    }
    for (size_t k = 0; k < end && last < 0; ++k) {
      const int32_t i = queue[k];
      if (sink[i] > 0) last = i;
      for (const int32_t a : leaving[i]) {
        if (arcs[a].residual == 0 || by[arcs[a].head] != -2) continue;
        by[arcs[a].head] = a;
        queue[end++] = arcs[a].head;
      }
    }
    if (last < 0) return value;
    int64_t amount = sink[last];
    int32_t first = last;
    for (; by[first] >= 0; first = arcs[by[first] ^ 1].head) {
      amount = std::min(amount, arcs[by[first]].residual);
    }
    amount = std::min(amount, source[first]);
    for (int32_t i = last; by[i] >= 0; i = arcs[by[i] ^ 1].head) {
      arcs[by[i]].residual -= amount;
      arcs[by[i] ^ 1].residual += amount;
    }
    source[first] -= amount;
    sink[last] -= amount;
    value += amount;
  }
}

void BM_Grid(benchmark::State& state) {
  const Grid grid = MakeGrid(state);
  for (auto _ : state) benchmark::DoNotOptimize(Cut(grid).value);
}

void BM_VsEdmondsKarp(benchmark::State& state) {
  const Grid grid = MakeGrid(state);
  if (Cut(grid).value != EdmondsKarp(grid)) {
    state.SkipWithError("values differ");
    return;
  }
  RunPaired(
      state, Clock::kThread, 0,
      [&] { benchmark::DoNotOptimize(Cut(grid).value); },
      [&] { benchmark::DoNotOptimize(EdmondsKarp(grid)); });
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
