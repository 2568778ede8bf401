// Minimum cut between two terminals of a sparse graph, by the maximum flow of
// Boykov and Kolmogorov 2004, "An experimental comparison of min-cut/max-flow
// algorithms for energy minimization in vision", Sec. 3. No framework in it.
//
//   absl::StatusOr<MaxFlow> graph = MaxFlow::Create(nodes, edges);
//   for (...) absl::StatusOr<MinCut> cut = graph->Solve(source, sink);
//
// As an energy over x in {source side, sink side}^nodes:
//   E(x) = sum of source[i] over i on the sink side
//        + sum of sink[i] over i on the source side
//        + sum of the capacities of the edges from source side to sink side.
// A Potts term w [x_i != x_j] is an edge with w in both directions.
#ifndef COMMON_SOLVERS_MAX_FLOW_H_
#define COMMON_SOLVERS_MAX_FLOW_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace seg {

struct FlowEdge {
  int32_t from = 0;
  int32_t to = 0;
  int64_t capacity = 0;          // of from -> to
  int64_t reverse_capacity = 0;  // of to -> from
};

struct MinCut {
  int64_t value = 0;                 // least energy, equal to the maximum flow
  std::vector<uint8_t> source_side;  // [nodes], 1 on the source side, else 0
};

// The sum of all capacities that one Solve may see: no residual capacity can
// overflow below it.
constexpr int64_t kMaxTotalCapacity = int64_t{1} << 61;

// The power of two by which real capacities are multiplied before they are
// rounded to integers (std::llround), as fine as kMaxTotalCapacity permits.
//   total: the sum of all capacities (edges in both directions, terminals),
//     finite, >= 0.
// Rounding moves each capacity by at most 0.5 / scale, so the cut that is found
// exceeds the least energy by at most (number of capacities) / scale.
double CapacityScale(double total);

class MaxFlow {
 public:
  // num_nodes: 0 .. 2^31-2, the terminals not counted.
  // edges: at most 2^30-1; several may join the same two nodes.
  // InvalidArgument where an edge names a node that is not there, joins a node
  // with itself or has a negative capacity, or where the sum of the capacities
  // exceeds kMaxTotalCapacity.
  static absl::StatusOr<MaxFlow> Create(int64_t num_nodes,
                                        absl::Span<const FlowEdge> edges);

  // The minimum cut with these terminal capacities.
  //   source, sink: [nodes], >= 0: the capacity from the source to the node,
  //     from the node to the sink.
  // Integers throughout, so value and sides are exact. Of several minimum cuts
  // it is the one whose source side is contained in that of all others; so the
  // result depends on the capacities alone, not on earlier calls.
  //
  // A further call keeps the flow on the edges, whatever changed at the
  // terminals, and starts from there: in a sweep of terminal capacities most of
  // the work is done once. Where source capacities only rise and sink
  // capacities only fall, the source sides grow (Gallo, Grigoriadis and Tarjan
  // 1989). The search trees are grown anew, O(nodes + edges).
  //
  // The cost in theory is O(nodes^2 edges value); on the grids of vision it is
  // near linear (Sec. 4 of the paper). One thread.
  //
  // InvalidArgument for another number of capacities, a negative one, or a
  // total above kMaxTotalCapacity; the object then stays as it was.
  absl::StatusOr<MinCut> Solve(absl::Span<const int64_t> source,
                               absl::Span<const int64_t> sink);

  int64_t num_nodes() const { return static_cast<int64_t>(nodes_.size()) - 1; }
  int64_t num_edges() const { return static_cast<int64_t>(forward_.size()); }

  // What flows along the edge from `from` to `to`, less what flows back; 0
  // before Solve. After the first Solve this is a maximum flow. After further
  // ones nodes may hold back what an earlier source gave them: the cut is right
  // all the same, but flow is not conserved at each node.
  int64_t Flow(int64_t edge) const {
    return capacity_[edge] - arcs_[forward_[edge]].residual;
  }

 private:
  enum class Tree : uint8_t { kFree, kSource, kSink };

  // One direction of an edge. The arcs of a node lie side by side.
  struct Arc {
    int32_t head;
    int32_t sister;    // the same edge in the other direction
    int64_t residual;  // what more can flow along it
  };

  struct Node {
    // What the source can still give (> 0), or the sink still take (< 0).
    int64_t excess = 0;
    int64_t time = 0;       // when `distance` was last known to be right
    int32_t distance = 0;   // steps to the terminal, that one included
    int32_t parent = 0;     // the arc to the parent, kRoot or kOrphan
    int32_t first_arc = 0;  // to the next node's
    Tree tree = Tree::kFree;
    bool queued = false;  // in active_
  };

  MaxFlow() = default;

  void PlantTrees();
  int32_t Grow(int32_t node);
  void Augment(int32_t arc);
  void PushAlong(int32_t node, int64_t amount);
  void Adopt();
  void Release(int32_t node);
  int32_t DistanceToRoot(int32_t node);
  void Activate(int32_t node);
  // What can flow along `arc` of a node of `tree` away from its terminal's
  // root: down the source tree, up the sink tree.
  int64_t Outward(Tree tree, int32_t arc) const;
  int64_t Inward(Tree tree, int32_t arc) const;

  std::vector<Arc> arcs_;
  std::vector<Node> nodes_;        // one more than there are, for first_arc
  std::vector<int32_t> forward_;   // [edges], the arc from -> to
  std::vector<int64_t> capacity_;  // [edges], of from -> to
  std::vector<int64_t> terminal_;  // [nodes], source - sink of the last Solve
  int64_t edge_total_ = 0;         // sum of the edges' capacities

  // The active nodes, whose neighbours may be free: a ring, first in first out.
  std::vector<int32_t> active_;
  int64_t active_begin_ = 0, active_count_ = 0;
  std::vector<int32_t> orphans_;
  int64_t time_ = 0;  // number of augmentations
};

}  // namespace seg

#endif  // COMMON_SOLVERS_MAX_FLOW_H_
