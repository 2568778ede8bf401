// Paired timing for Google Benchmark: inside one iteration ours and the peer
// run in the order A B B A, so that a change of the machine's speed hits both.
// Only the ratio of such pairs is a result; times of different runs are not
// compared.
//
//   void BM_Op(benchmark::State& state) {
//     ... check that both give the same result ...
//     RunPaired(state, Clock::kThread, bytes, [&] { Ours(); },
//               [&] { Peer(); });
//   }
//   BENCHMARK(BM_Op)->UseManualTime()->Iterations(15);
//
// Counters: ours_us and peer_us (medians of one call), ratio_q25, ratio and
// ratio_q75 (quartiles of peer / ours over iterations: > 1 means ours is
// faster), and, for bytes > 0, GBps (bytes / median time of ours).

#ifndef COMMON_TESTING_PAIRED_BENCHMARK_H_
#define COMMON_TESTING_PAIRED_BENCHMARK_H_

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "common/testing/timing.h"

namespace seg {

// clock: kThread for one thread, kWall for several.
template <typename Ours, typename Peer>
void RunPaired(benchmark::State& state, Clock clock, int64_t bytes,
               const Ours& ours, const Peer& peer) {
  const auto time = [clock](const auto& call) {
    const double start = Seconds(clock);
    call();
    return Seconds(clock) - start;
  };
  ours();  // warm caches, allocator and thread pool
  peer();
  std::vector<double> ours_seconds, peer_seconds, ratios;
  for (auto _ : state) {
    const double a = time(ours), b = time(peer);
    const double b2 = time(peer), a2 = time(ours);
    ours_seconds.push_back(0.5 * (a + a2));
    peer_seconds.push_back(0.5 * (b + b2));
    ratios.push_back((b + b2) / (a + a2));
    state.SetIterationTime(0.5 * (a + a2));
  }
  const double median = Quantile(ours_seconds, 0.5);
  state.counters["ours_us"] = 1e6 * median;
  state.counters["peer_us"] = 1e6 * Quantile(peer_seconds, 0.5);
  state.counters["ratio_q25"] = Quantile(ratios, 0.25);
  state.counters["ratio"] = Quantile(ratios, 0.5);
  state.counters["ratio_q75"] = Quantile(ratios, 0.75);
  if (bytes > 0) {
    state.counters["GBps"] = 1e-9 * static_cast<double>(bytes) / median;
  }
}

}  // namespace seg

#endif  // COMMON_TESTING_PAIRED_BENCHMARK_H_
