// Time of ProposeRegions on a synthetic scene of 500 x 375 pixels, the size of
// the photographs of PASCAL VOC, with either pool. One thread.

#include <benchmark/benchmark.h>

#include "ATen/Parallel.h"
#include "common/datasets/synthetic/scenes.h"
#include "segnet_rerank/regions/region_pool.h"

namespace seg {
namespace segnet_rerank {
namespace {

void Propose(benchmark::State& state, RegionPool pool) {
  at::set_num_threads(1);
  ScenesOptions scenes;
  scenes.height = 375;
  scenes.width = 500;
  const at::Tensor image = MakeScene(scenes, 0).image;
  RegionOptions options;
  options.pool = pool;
  int64_t regions = 0;
  for (auto _ : state) {
    regions = ProposeRegions(image, options).members.size(0);
  }
  state.counters["regions"] = static_cast<double>(regions);
}

void BM_MinCuts(benchmark::State& state) {
  Propose(state, RegionPool::kMinCuts);
}

void BM_MergeTree(benchmark::State& state) {
  Propose(state, RegionPool::kMergeTree);
}

BENCHMARK(BM_MinCuts)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_MergeTree)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg

BENCHMARK_MAIN();
