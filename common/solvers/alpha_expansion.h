// Labellings of low energy under a Potts model on a sparse graph: the best that
// moves of one label find, and several that differ. No framework in it.
//
//   E(y) = sum over nodes i of unary[i, y_i]
//        + sum over edges (a, b) of weight [y_a != y_b]
//
// Sources: Boykov, Veksler and Zabih 2001, "Fast approximate energy
// minimization via graph cuts" (alpha-expansion); Batra et al. 2012, "Diverse
// M-best solutions in Markov random fields", Sec. 4 (Hamming distance).
#ifndef COMMON_SOLVERS_ALPHA_EXPANSION_H_
#define COMMON_SOLVERS_ALPHA_EXPANSION_H_

#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace seg {

struct PottsEdge {
  int32_t a = 0, b = 0;  // different nodes; several edges may join the same two
  int64_t weight = 0;    // >= 0
};

struct PottsSolution {
  std::vector<int32_t> labels;  // [nodes]
  int64_t energy = 0;
  int64_t sweeps = 0;  // over the labels, the last one without gain
};

// E(labels).
//   unaries: [nodes, num_labels], row by row, of either sign.
//   labels: [nodes], 0 .. num_labels - 1.
// The arguments must be such that AlphaExpansion takes them: nothing is checked
// here.
int64_t PottsEnergy(int64_t num_labels, absl::Span<const int64_t> unaries,
                    absl::Span<const PottsEdge> edges,
                    absl::Span<const int32_t> labels);

// A labelling of low energy.
//   num_labels: 1 .. 2^31-1; one per column of `unaries`, as in PottsEnergy.
//   start: [nodes], or empty for the labels of least unary, the first of
//   equals. max_sweeps: >= 1.
// One label: no choice. Two labels: one minimum cut, which gives the least
// energy; of several best labellings the one with most zeros. More: for each
// label in turn the best of all ways to give it to further nodes, by one
// minimum cut each; ends after a sweep without gain, or after max_sweeps. The
// energy is at most that of the start, and for any labelling y (when
// max_sweeps did not end it)
//   energy <= E(y) + sum over edges of weight [y_a != y_b],
// so within a factor of 2 of the best where no unary is negative.
// Integers throughout: exact, and the same on every machine. A sweep is
// num_labels cuts of a graph of the nodes and edges (max_flow.h).
//
// InvalidArgument: sizes that do not fit, a label or a node out of range, an
// edge of a node to itself, a negative weight, or
//   2 sum_i max_l |unary[i,l]| + 4 sum of weights > 2^61
// (multiply real energies by CapacityScale of that sum, max_flow.h).
absl::StatusOr<PottsSolution> AlphaExpansion(
    int64_t num_labels, absl::Span<const int64_t> unaries,
    absl::Span<const PottsEdge> edges, absl::Span<const int32_t> start = {},
    int64_t max_sweeps = std::numeric_limits<int64_t>::max());

// `count` labellings: the first is AlphaExpansion's; each further one minimises
//   E(y) + lambda sum over earlier solutions of #{nodes with the same label},
// starting from the one before. Energies are those of E itself. With two labels
// each is exact, so none is below the first one's. lambda = 0 gives copies. The
// solutions may repeat.
//   count: >= 1.
//   lambda: >= 0; the bound of AlphaExpansion holds with lambda (count - 1)
//     added to each |unary|.
// With two labels only unaries differ between the cuts, and each one starts
// from the flow of the one before.
absl::StatusOr<std::vector<PottsSolution>> DiverseM(
    int64_t num_labels, absl::Span<const int64_t> unaries,
    absl::Span<const PottsEdge> edges, int64_t lambda, int64_t count);

}  // namespace seg

#endif  // COMMON_SOLVERS_ALPHA_EXPANSION_H_
