#include "common/solvers/alpha_expansion.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/solvers/max_flow.h"

namespace seg {
namespace {

struct Problem {
  int64_t num_labels = 0;
  absl::Span<const int64_t> unaries;
  absl::Span<const PottsEdge> edges;

  int64_t nodes() const {
    return static_cast<int64_t>(unaries.size()) / num_labels;
  }
  int64_t unary(int64_t node, int64_t label) const {
    return unaries[node * num_labels + label];
  }
};

// Adds factor * |value| to a total that stays at most kMaxTotalCapacity; false
// where it would not.
bool AddTo(int64_t* total, int64_t value, int64_t factor) {
  const int64_t left = (kMaxTotalCapacity - *total) / factor;
  if (value > left || value < -left) return false;
  *total += factor * std::abs(value);
  return true;
}

// rise: what DiverseM adds to a unary at most.
absl::Status Check(const Problem& p, int64_t rise) {
  if (p.num_labels < 1 || p.num_labels > std::numeric_limits<int32_t>::max()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "AlphaExpansion: num_labels must be 1 .. 2^31-1, got ", p.num_labels));
  }
  if (static_cast<int64_t>(p.unaries.size()) % p.num_labels != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("AlphaExpansion: unaries must have ", p.num_labels,
                     " numbers a node, got ", p.unaries.size(), " in all"));
  }
  const int64_t nodes = p.nodes();
  int64_t total = 0;
  bool fits = true;
  for (int64_t i = 0; i < nodes; ++i) {
    const auto row = p.unaries.subspan(i * p.num_labels, p.num_labels);
    const auto [least, most] = std::minmax_element(row.begin(), row.end());
    // The larger of |least| and |most|, without negating: it may be -2^63.
    const int64_t largest = *most >= 0 && *least >= -*most ? *most : *least;
    fits = fits && AddTo(&total, largest, 2) && AddTo(&total, rise, 2);
  }
  for (size_t e = 0; e < p.edges.size(); ++e) {
    const PottsEdge& edge = p.edges[e];
    if (edge.a < 0 || edge.b < 0 || edge.a >= nodes || edge.b >= nodes ||
        edge.a == edge.b) {
      return absl::InvalidArgumentError(absl::StrCat(
          "AlphaExpansion: edge ", e, " must join two different nodes below ",
          nodes, ", got ", edge.a, " and ", edge.b));
    }
    if (edge.weight < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("AlphaExpansion: the weight of edge ", e,
                       " must be >= 0, got ", edge.weight));
    }
    fits = fits && AddTo(&total, edge.weight, 4);
  }
  if (!fits) {
    return absl::InvalidArgumentError(
        "AlphaExpansion: twice the largest unaries and four times the weights "
        "must sum to at most 2^61; scale them down");
  }
  return absl::OkStatus();
}

absl::Status CheckStart(const Problem& p, absl::Span<const int32_t> start) {
  if (static_cast<int64_t>(start.size()) != p.nodes()) {
    return absl::InvalidArgumentError(
        absl::StrCat("AlphaExpansion: start must have one label for each of ",
                     p.nodes(), " nodes, got ", start.size()));
  }
  for (size_t i = 0; i < start.size(); ++i) {
    if (start[i] < 0 || start[i] >= p.num_labels) {
      return absl::InvalidArgumentError(
          absl::StrCat("AlphaExpansion: start[", i, "] must be 0 .. ",
                       p.num_labels - 1, ", got ", start[i]));
    }
  }
  return absl::OkStatus();
}

std::vector<int32_t> LeastUnaries(const Problem& p) {
  std::vector<int32_t> labels(p.nodes());
  for (int64_t i = 0; i < p.nodes(); ++i) {
    const auto row = p.unaries.subspan(i * p.num_labels, p.num_labels);
    labels[i] = static_cast<int32_t>(std::min_element(row.begin(), row.end()) -
                                     row.begin());
  }
  return labels;
}

// cost[i]: of the source side against the sink side, at node i. Its positive
// part is paid on the source side, its negative part on the other.
absl::StatusOr<MinCut> Cut(absl::Span<const int64_t> cost, MaxFlow* graph) {
  std::vector<int64_t> source(cost.size()), sink(cost.size());
  for (size_t i = 0; i < cost.size(); ++i) {
    source[i] = std::max<int64_t>(-cost[i], 0);
    sink[i] = std::max<int64_t>(cost[i], 0);
  }
  return graph->Solve(source, sink);
}

// Gives `label` to those nodes for which the energy falls most. x_i = 1, the
// source side: node i takes it. A term w [y_a != y_b] becomes, with
// keep = w [y_a != y_b], to_b = w [y_a != label], to_a = w [label != y_b] the
// costs of taking it nowhere, at b alone, at a alone (and 0 at both),
//   keep + (to_a - keep) x_a - to_a x_b + (to_b + to_a - keep) (1 - x_a) x_b,
// and the last factor is >= 0: where y_a != y_b one of them is not `label`.
// Of several best sets the cut is the smallest: nothing changes without gain.
absl::Status Expand(const Problem& p, int32_t label,
                    std::vector<int32_t>* labels) {
  std::vector<int64_t> cost(p.nodes());
  for (int64_t i = 0; i < p.nodes(); ++i) {
    cost[i] = p.unary(i, label) - p.unary(i, (*labels)[i]);
  }
  std::vector<FlowEdge> edges;
  edges.reserve(p.edges.size());
  for (const PottsEdge& edge : p.edges) {
    const int32_t at_a = (*labels)[edge.a], at_b = (*labels)[edge.b];
    const int64_t keep = at_a != at_b ? edge.weight : 0;
    const int64_t to_a = at_b != label ? edge.weight : 0;
    const int64_t to_b = at_a != label ? edge.weight : 0;
    cost[edge.a] += to_a - keep;
    cost[edge.b] -= to_a;
    const int64_t capacity = to_b + to_a - keep;
    if (capacity > 0) edges.push_back({edge.b, edge.a, capacity, 0});
  }
  SEG_ASSIGN_OR_RETURN(MaxFlow graph, MaxFlow::Create(p.nodes(), edges));
  SEG_ASSIGN_OR_RETURN(const MinCut cut, Cut(cost, &graph));
  for (int64_t i = 0; i < p.nodes(); ++i) {
    if (cut.source_side[i]) (*labels)[i] = label;
  }
  return absl::OkStatus();
}

// Two labels: the source side has label 1.
absl::StatusOr<MaxFlow> TwoLabelGraph(const Problem& p) {
  std::vector<FlowEdge> edges;
  edges.reserve(p.edges.size());
  for (const PottsEdge& edge : p.edges) {
    edges.push_back({edge.a, edge.b, edge.weight, edge.weight});
  }
  return MaxFlow::Create(p.nodes(), edges);
}

absl::Status SolveTwoLabels(const Problem& p, MaxFlow* graph,
                            std::vector<int32_t>* labels) {
  std::vector<int64_t> cost(p.nodes());
  for (int64_t i = 0; i < p.nodes(); ++i) {
    cost[i] = p.unary(i, 1) - p.unary(i, 0);
  }
  SEG_ASSIGN_OR_RETURN(const MinCut cut, Cut(cost, graph));
  labels->assign(cut.source_side.begin(), cut.source_side.end());
  return absl::OkStatus();
}

int64_t Energy(const Problem& p, absl::Span<const int32_t> labels) {
  return PottsEnergy(p.num_labels, p.unaries, p.edges, labels);
}

// From solution->labels, in place. `graph`: TwoLabelGraph for two labels.
absl::Status Minimise(const Problem& p, int64_t max_sweeps, MaxFlow* graph,
                      PottsSolution* solution) {
  solution->sweeps = 0;
  if (p.num_labels == 2) {
    SEG_RETURN_IF_ERROR(SolveTwoLabels(p, graph, &solution->labels));
    solution->sweeps = 1;
  }
  solution->energy = Energy(p, solution->labels);
  if (p.num_labels <= 2) return absl::OkStatus();
  int64_t before = 0;
  do {
    before = solution->energy;
    for (int32_t label = 0; label < p.num_labels; ++label) {
      SEG_RETURN_IF_ERROR(Expand(p, label, &solution->labels));
    }
    solution->energy = Energy(p, solution->labels);
    ++solution->sweeps;
  } while (solution->energy < before && solution->sweeps < max_sweeps);
  return absl::OkStatus();
}

}  // namespace

int64_t PottsEnergy(int64_t num_labels, absl::Span<const int64_t> unaries,
                    absl::Span<const PottsEdge> edges,
                    absl::Span<const int32_t> labels) {
  int64_t energy = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    energy += unaries[i * num_labels + labels[i]];
  }
  for (const PottsEdge& edge : edges) {
    if (labels[edge.a] != labels[edge.b]) energy += edge.weight;
  }
  return energy;
}

absl::StatusOr<PottsSolution> AlphaExpansion(int64_t num_labels,
                                             absl::Span<const int64_t> unaries,
                                             absl::Span<const PottsEdge> edges,
                                             absl::Span<const int32_t> start,
                                             int64_t max_sweeps) {
  const Problem p{num_labels, unaries, edges};
  SEG_RETURN_IF_ERROR(Check(p, 0));
  if (max_sweeps < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "AlphaExpansion: max_sweeps must be >= 1, got ", max_sweeps));
  }
  PottsSolution solution;
  if (start.empty()) {
    solution.labels = LeastUnaries(p);
  } else {
    SEG_RETURN_IF_ERROR(CheckStart(p, start));
    solution.labels.assign(start.begin(), start.end());
  }
  std::optional<MaxFlow> graph;
  if (num_labels == 2) {
    SEG_ASSIGN_OR_RETURN(graph, TwoLabelGraph(p));
  }
  SEG_RETURN_IF_ERROR(
      Minimise(p, max_sweeps, graph ? &*graph : nullptr, &solution));
  return solution;
}

absl::StatusOr<std::vector<PottsSolution>> DiverseM(
    int64_t num_labels, absl::Span<const int64_t> unaries,
    absl::Span<const PottsEdge> edges, int64_t lambda, int64_t count) {
  const Problem p{num_labels, unaries, edges};
  if (lambda < 0 || count < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("DiverseM: lambda must be >= 0 and count >= 1, got ",
                     lambda, " and ", count));
  }
  if (count > 1 && lambda > kMaxTotalCapacity / (count - 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("DiverseM: lambda (count - 1) must be at most 2^61, got ",
                     lambda, " * ", count - 1));
  }
  SEG_RETURN_IF_ERROR(Check(p, lambda * (count - 1)));

  std::vector<int64_t> raised(unaries.begin(), unaries.end());
  const Problem augmented{num_labels, raised, edges};
  std::optional<MaxFlow> graph;
  if (num_labels == 2) {
    SEG_ASSIGN_OR_RETURN(graph, TwoLabelGraph(p));
  }
  PottsSolution solution;
  solution.labels = LeastUnaries(p);
  std::vector<PottsSolution> solutions;
  while (true) {
    SEG_RETURN_IF_ERROR(Minimise(augmented, std::numeric_limits<int64_t>::max(),
                                 graph ? &*graph : nullptr, &solution));
    solutions.push_back(solution);
    solutions.back().energy = Energy(p, solution.labels);
    if (static_cast<int64_t>(solutions.size()) == count) return solutions;
    for (size_t i = 0; i < solution.labels.size(); ++i) {
      raised[i * num_labels + solution.labels[i]] += lambda;
    }
  }
}

}  // namespace seg
