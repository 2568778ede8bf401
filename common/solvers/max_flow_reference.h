// The minimum cut in its plainest form, for tests and benchmarks: shortest
// augmenting paths, breadth first from the source for each path (Edmonds and
// Karp 1972). Of max_flow.h it has the types alone.
#ifndef COMMON_SOLVERS_MAX_FLOW_REFERENCE_H_
#define COMMON_SOLVERS_MAX_FLOW_REFERENCE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "common/solvers/max_flow.h"

namespace seg {

// The cut that MaxFlow::Solve promises of the same arguments: what the source
// reaches behind a maximum flow is the least source side of all minimum cuts.
//   source, sink: [nodes], >= 0, as in max_flow.h.
// O(nodes edges^2).
inline MinCut EdmondsKarp(absl::Span<const FlowEdge> edges,
                          std::vector<int64_t> source,
                          std::vector<int64_t> sink) {
  struct Arc {
    int32_t head;
    int64_t residual;
  };
  constexpr int32_t kFree = -2, kRoot = -1;
  const int32_t nodes = static_cast<int32_t>(source.size());
  std::vector<Arc> arcs;  // an arc and its sister differ in the last bit
  std::vector<std::vector<int32_t>> leaving(nodes);
  for (const FlowEdge& e : edges) {
    leaving[e.from].push_back(static_cast<int32_t>(arcs.size()));
    arcs.push_back({e.to, e.capacity});
    leaving[e.to].push_back(static_cast<int32_t>(arcs.size()));
    arcs.push_back({e.from, e.reverse_capacity});
  }
  // The arc by which a node was reached.
  std::vector<int32_t> by(nodes), queue(nodes);
  MinCut cut;
  while (true) {
    std::fill(by.begin(), by.end(), kFree);
    size_t end = 0;
    int32_t last = -1;
    for (int32_t i = 0; i < nodes; ++i) {
      if (source[i] > 0) by[i] = kRoot, queue[end++] = i;
    }
    for (size_t k = 0; k < end && last < 0; ++k) {
      const int32_t i = queue[k];
      if (sink[i] > 0) last = i;
      for (const int32_t a : leaving[i]) {
        if (arcs[a].residual == 0 || by[arcs[a].head] != kFree) continue;
        by[arcs[a].head] = a;
        queue[end++] = arcs[a].head;
      }
    }
    if (last < 0) break;
    int64_t amount = sink[last];
    int32_t first = last;
    for (; by[first] != kRoot; first = arcs[by[first] ^ 1].head) {
      amount = std::min(amount, arcs[by[first]].residual);
    }
    amount = std::min(amount, source[first]);
    for (int32_t i = last; by[i] != kRoot; i = arcs[by[i] ^ 1].head) {
      arcs[by[i]].residual -= amount;
      arcs[by[i] ^ 1].residual += amount;
    }
    source[first] -= amount;
    sink[last] -= amount;
    cut.value += amount;
  }
  for (const int32_t arc : by) cut.source_side.push_back(arc != kFree);
  return cut;
}

}  // namespace seg

#endif  // COMMON_SOLVERS_MAX_FLOW_REFERENCE_H_
