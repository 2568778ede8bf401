#include "common/solvers/max_flow.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace seg {
namespace {

// In the place of a parent's arc.
constexpr int32_t kRoot = -1;    // the parent is the terminal
constexpr int32_t kOrphan = -2;  // the arc to the parent is saturated
constexpr int32_t kFar = std::numeric_limits<int32_t>::max();

// Adds to a total of capacities; false where the sum is too large.
bool AddCapacity(int64_t capacity, int64_t* total) {
  if (capacity > kMaxTotalCapacity - *total) return false;
  *total += capacity;
  return true;
}

absl::Status TotalError() {
  return absl::InvalidArgumentError(absl::StrCat(
      "MaxFlow: the capacities must sum to at most 2^61 = ", kMaxTotalCapacity,
      ", got more; scale them down"));
}

absl::Status CheckTerminals(const char* name,
                            absl::Span<const int64_t> capacities, int64_t nodes,
                            int64_t* total) {
  if (static_cast<int64_t>(capacities.size()) != nodes) {
    return absl::InvalidArgumentError(
        absl::StrCat("MaxFlow: ", name, " must have one capacity for each of ",
                     nodes, " nodes, got ", capacities.size()));
  }
  for (int64_t i = 0; i < nodes; ++i) {
    if (capacities[i] < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("MaxFlow: ", name, "[", i, "] must be >= 0, got ",
                       capacities[i], "; add a constant to source and sink"));
    }
    if (!AddCapacity(capacities[i], total)) return TotalError();
  }
  return absl::OkStatus();
}

}  // namespace

double CapacityScale(double total) {
  if (total == 0.0) return 1.0;
  int exponent = 0;
  std::frexp(total, &exponent);  // total < 2^exponent
  // 2^60 leaves as much again for what rounding adds.
  constexpr int kLargest = std::numeric_limits<double>::max_exponent - 1;
  return std::ldexp(1.0, std::min(60 - exponent, kLargest));
}

absl::StatusOr<MaxFlow> MaxFlow::Create(int64_t num_nodes,
                                        absl::Span<const FlowEdge> edges) {
  if (num_nodes < 0 || num_nodes >= kFar) {
    return absl::InvalidArgumentError(absl::StrCat(
        "MaxFlow: the number of nodes must be 0 .. 2^31-2, got ", num_nodes));
  }
  if (edges.size() > static_cast<size_t>(kFar / 2)) {
    return absl::InvalidArgumentError(
        absl::StrCat("MaxFlow: the number of edges must be at most 2^30-1, "
                     "got ",
                     edges.size()));
  }
  MaxFlow graph;
  const int64_t count = static_cast<int64_t>(edges.size());
  for (int64_t e = 0; e < count; ++e) {
    const FlowEdge& edge = edges[e];
    if (edge.from < 0 || edge.to < 0 || edge.from >= num_nodes ||
        edge.to >= num_nodes || edge.from == edge.to) {
      return absl::InvalidArgumentError(absl::StrCat(
          "MaxFlow: edge ", e, " must join two different nodes below ",
          num_nodes, ", got ", edge.from, " and ", edge.to));
    }
    if (edge.capacity < 0 || edge.reverse_capacity < 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "MaxFlow: the capacities of edge ", e, " must be >= 0, got ",
          edge.capacity, " and ", edge.reverse_capacity));
    }
    if (!AddCapacity(edge.capacity, &graph.edge_total_) ||
        !AddCapacity(edge.reverse_capacity, &graph.edge_total_)) {
      return TotalError();
    }
  }

  // Counting sort of the arcs by their tails, in the order of the edges.
  graph.nodes_.resize(num_nodes + 1);
  std::vector<int32_t> next(num_nodes + 1, 0);
  for (const FlowEdge& edge : edges) ++next[edge.from], ++next[edge.to];
  int32_t first = 0;
  for (int64_t i = 0; i <= num_nodes; ++i) {
    graph.nodes_[i].first_arc = first;
    const int32_t degree = next[i];
    next[i] = first;
    first += degree;
  }
  graph.arcs_.resize(2 * count);
  graph.forward_.resize(count);
  graph.capacity_.resize(count);
  for (int64_t e = 0; e < count; ++e) {
    const FlowEdge& edge = edges[e];
    const int32_t there = next[edge.from]++, back = next[edge.to]++;
    graph.arcs_[there] = {edge.to, back, edge.capacity};
    graph.arcs_[back] = {edge.from, there, edge.reverse_capacity};
    graph.forward_[e] = there;
    graph.capacity_[e] = edge.capacity;
  }
  graph.terminal_.resize(num_nodes, 0);
  graph.active_.resize(num_nodes);
  return graph;
}

absl::StatusOr<MinCut> MaxFlow::Solve(absl::Span<const int64_t> source,
                                      absl::Span<const int64_t> sink) {
  int64_t total = edge_total_;
  absl::Status status = CheckTerminals("source", source, num_nodes(), &total);
  if (status.ok()) status = CheckTerminals("sink", sink, num_nodes(), &total);
  if (!status.ok()) return status;

  // With out[i] the flow that leaves node i along edges,
  //   E(x) = sum source - sum of excess over the source side + residual cut,
  //   excess[i] = source[i] - sink[i] - out[i],
  // whatever the flow is. So a change of the terminals moves the excess alone.
  for (int64_t i = 0; i < num_nodes(); ++i) {
    const int64_t terminal = source[i] - sink[i];
    nodes_[i].excess += terminal - terminal_[i];
    terminal_[i] = terminal;
  }

  PlantTrees();
  while (active_count_ > 0) {
    const int32_t node = active_[active_begin_];
    const int32_t meeting =
        nodes_[node].tree == Tree::kFree ? kRoot : Grow(node);
    if (meeting >= 0) {  // the node may have further arcs: it stays in front
      Augment(meeting);
      Adopt();
      continue;
    }
    nodes_[node].queued = false;
    active_begin_ = active_begin_ + 1 == num_nodes() ? 0 : active_begin_ + 1;
    --active_count_;
  }

  // The source tree is what residual arcs reach from the source. Nothing of
  // positive excess lies outside of it, nothing of negative excess inside.
  MinCut cut;
  cut.source_side.resize(num_nodes());
  for (int64_t i = 0; i < num_nodes(); ++i) {
    cut.source_side[i] = nodes_[i].tree == Tree::kSource;
    cut.value += source[i] - std::max<int64_t>(nodes_[i].excess, 0);
  }
  return cut;
}

// The trees consist of their roots: the nodes next to a terminal.
void MaxFlow::PlantTrees() {
  time_ = 0;
  active_begin_ = active_count_ = 0;
  for (int32_t i = 0; i < num_nodes(); ++i) {
    Node& node = nodes_[i];
    node.queued = false;
    node.time = 0;
    node.distance = 1;
    node.parent = kRoot;
    node.tree = node.excess > 0   ? Tree::kSource
                : node.excess < 0 ? Tree::kSink
                                  : Tree::kFree;
    if (node.tree != Tree::kFree) Activate(i);
  }
}

inline int64_t MaxFlow::Outward(Tree tree, int32_t arc) const {
  return tree == Tree::kSource ? arcs_[arc].residual
                               : arcs_[arcs_[arc].sister].residual;
}

inline int64_t MaxFlow::Inward(Tree tree, int32_t arc) const {
  return tree == Tree::kSource ? arcs_[arcs_[arc].sister].residual
                               : arcs_[arc].residual;
}

void MaxFlow::Activate(int32_t node) {
  if (nodes_[node].queued) return;
  nodes_[node].queued = true;
  int64_t end = active_begin_ + active_count_;
  if (end >= num_nodes()) end -= num_nodes();
  active_[end] = node;
  ++active_count_;
}

// Takes the free neighbours of an active node into its tree. Returns the arc
// from the source tree to the sink tree where the trees meet, else -1.
int32_t MaxFlow::Grow(int32_t index) {
  const Node& node = nodes_[index];
  const int32_t end = nodes_[index + 1].first_arc;
  for (int32_t a = node.first_arc; a < end; ++a) {
    if (Outward(node.tree, a) == 0) continue;
    Node& other = nodes_[arcs_[a].head];
    if (other.tree == node.tree) {
      // A shorter way to the terminal. `other` is no ancestor of the node: on
      // the way to a root the time does not fall, and where it stays the same
      // the distance falls.
      if (other.time > node.time || other.distance <= node.distance + 1) {
        continue;
      }
    } else if (other.tree == Tree::kFree) {
      other.tree = node.tree;
      Activate(arcs_[a].head);
    } else {
      return node.tree == Tree::kSource ? a : arcs_[a].sister;
    }
    other.parent = arcs_[a].sister;
    other.time = node.time;
    other.distance = node.distance + 1;
  }
  return -1;
}

// Sends what the path through `arc` can carry from the source to the sink.
// Nodes whose arc to the parent is then saturated become orphans.
void MaxFlow::Augment(int32_t arc) {
  int64_t amount = arcs_[arc].residual;
  const int32_t ends[2] = {arcs_[arcs_[arc].sister].head, arcs_[arc].head};
  for (int32_t i : ends) {
    for (; nodes_[i].parent >= 0; i = arcs_[nodes_[i].parent].head) {
      amount = std::min(amount, Inward(nodes_[i].tree, nodes_[i].parent));
    }
    amount = std::min(amount, std::abs(nodes_[i].excess));
  }
  arcs_[arc].residual -= amount;
  arcs_[arcs_[arc].sister].residual += amount;
  for (const int32_t i : ends) PushAlong(i, amount);
  // Those next to a root come first: what they find serves the others.
  std::reverse(orphans_.begin(), orphans_.end());
  ++time_;
}

// Moves `amount` between a node and its terminal.
void MaxFlow::PushAlong(int32_t i, int64_t amount) {
  const bool is_source = nodes_[i].tree == Tree::kSource;
  while (nodes_[i].parent >= 0) {
    const int32_t up = nodes_[i].parent;
    Arc& with = arcs_[is_source ? arcs_[up].sister : up];
    with.residual -= amount;
    arcs_[with.sister].residual += amount;
    if (with.residual == 0) {
      nodes_[i].parent = kOrphan;
      orphans_.push_back(i);
    }
    i = arcs_[up].head;
  }
  nodes_[i].excess -= is_source ? amount : -amount;
  if (nodes_[i].excess == 0) {
    nodes_[i].parent = kOrphan;
    orphans_.push_back(i);
  }
}

// Finds each orphan the parent that is nearest to the terminal, or sets it
// free.
void MaxFlow::Adopt() {
  for (size_t k = 0; k < orphans_.size(); ++k) {  // the list may grow
    const int32_t index = orphans_[k];
    Node& node = nodes_[index];
    const int32_t end = nodes_[index + 1].first_arc;
    int32_t best = kOrphan, best_distance = kFar;
    for (int32_t a = node.first_arc; a < end; ++a) {
      if (nodes_[arcs_[a].head].tree != node.tree || Inward(node.tree, a) == 0)
        continue;
      const int32_t distance = DistanceToRoot(arcs_[a].head);
      if (distance < best_distance) best = a, best_distance = distance;
    }
    if (best == kOrphan) {
      Release(index);
      continue;
    }
    node.parent = best;
    node.distance = best_distance + 1;
    node.time = time_;
  }
  orphans_.clear();
}

// Takes a node without a parent out of its tree. Its children become orphans;
// the neighbours that could reach it become active.
void MaxFlow::Release(int32_t index) {
  Node& node = nodes_[index];
  const int32_t end = nodes_[index + 1].first_arc;
  for (int32_t a = node.first_arc; a < end; ++a) {
    const int32_t neighbour = arcs_[a].head;
    Node& other = nodes_[neighbour];
    if (other.tree != node.tree) continue;
    if (Inward(node.tree, a) > 0) Activate(neighbour);
    if (other.parent >= 0 && arcs_[other.parent].head == index) {
      other.parent = kOrphan;
      orphans_.push_back(neighbour);
    }
  }
  node.tree = Tree::kFree;
}

// Steps from a node of a tree to its terminal; kFar where an orphan is on the
// way. A node that was found connected after this augmentation stays so: only
// orphans lose their parents, and none is above it.
int32_t MaxFlow::DistanceToRoot(int32_t start) {
  int32_t steps = 0, i = start;
  while (nodes_[i].time != time_) {
    const int32_t parent = nodes_[i].parent;
    if (parent == kOrphan) return kFar;
    if (parent == kRoot) {
      nodes_[i].time = time_;
      nodes_[i].distance = 1;
      break;
    }
    ++steps;
    i = arcs_[parent].head;
  }
  const int32_t distance = steps + nodes_[i].distance;
  // What is known now is written down along the way.
  i = start;
  for (int32_t d = distance; nodes_[i].time != time_; --d) {
    nodes_[i].time = time_;
    nodes_[i].distance = d;
    i = arcs_[nodes_[i].parent].head;
  }
  return distance;
}

}  // namespace seg
