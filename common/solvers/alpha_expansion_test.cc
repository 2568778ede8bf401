#include "common/solvers/alpha_expansion.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "common/base/random.h"
#include "common/solvers/max_flow.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Labels = std::vector<int32_t>;

struct Model {
  int64_t num_labels = 0;
  std::vector<int64_t> unaries;
  std::vector<PottsEdge> edges;

  int64_t nodes() const {
    return static_cast<int64_t>(unaries.size()) / num_labels;
  }
};

int64_t Energy(const Model& m, const Labels& labels) {
  return PottsEnergy(m.num_labels, m.unaries, m.edges, labels);
}

// What the edges pay alone.
int64_t EdgeEnergy(const Model& m, const Labels& labels) {
  const std::vector<int64_t> zeros(m.unaries.size(), 0);
  return PottsEnergy(m.num_labels, zeros, m.edges, labels);
}

Model RandomModel(int64_t nodes, int64_t num_labels, int64_t edges,
                  int64_t limit, uint64_t seed) {
  Rng rng(RandomKey({seed, 41}));
  Model m;
  m.num_labels = num_labels;
  m.unaries.resize(nodes * num_labels);
  for (int64_t& u : m.unaries) u = rng.Between(-limit, limit);
  for (int64_t e = 0; e < edges; ++e) {
    const int64_t a = rng.Below(nodes);
    const int64_t b = (a + rng.Between(1, nodes - 1)) % nodes;
    m.edges.push_back({static_cast<int32_t>(a), static_cast<int32_t>(b),
                       rng.OneIn(4) ? 0 : rng.Below(limit)});
  }
  return m;
}

Model RandomGrid(int64_t height, int64_t width, int64_t num_labels,
                 uint64_t seed) {
  Model m = RandomModel(height * width, num_labels, 0, 20, seed);
  Rng rng(RandomKey({seed, 42}));
  const auto add = [&](int64_t a, int64_t b) {
    m.edges.push_back(
        {static_cast<int32_t>(a), static_cast<int32_t>(b), rng.Between(1, 9)});
  };
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      if (x + 1 < width) add(y * width + x, y * width + x + 1);
      if (y + 1 < height) add(y * width + x, (y + 1) * width + x);
    }
  }
  return m;
}

Labels RandomLabels(const Model& m, uint64_t seed) {
  Rng rng(RandomKey({seed, 43}));
  Labels labels(m.nodes());
  for (int32_t& l : labels) l = static_cast<int32_t>(rng.Below(m.num_labels));
  return labels;
}

// The labelling of least energy, the first of equals when read as a number.
PottsSolution BruteForce(const Model& m) {
  PottsSolution best;
  best.energy = std::numeric_limits<int64_t>::max();
  Labels labels(m.nodes(), 0);
  while (true) {
    const int64_t energy = Energy(m, labels);
    if (energy < best.energy) best = {labels, energy, 0};
    int64_t i = 0;
    while (i < m.nodes() && ++labels[i] == m.num_labels) labels[i++] = 0;
    if (i == m.nodes()) return best;
  }
}

PottsSolution Solve(const Model& m, const Labels& start = {}) {
  absl::StatusOr<PottsSolution> solution =
      AlphaExpansion(m.num_labels, m.unaries, m.edges, start);
  EXPECT_OK(solution);
  EXPECT_EQ(solution->energy, Energy(m, solution->labels));
  return *std::move(solution);
}

std::vector<PottsSolution> Diverse(const Model& m, int64_t lambda,
                                   int64_t count) {
  auto solutions = DiverseM(m.num_labels, m.unaries, m.edges, lambda, count);
  EXPECT_OK(solutions);
  EXPECT_EQ(static_cast<int64_t>(solutions->size()), count);
  for (const PottsSolution& s : *solutions) {
    EXPECT_EQ(s.energy, Energy(m, s.labels));
  }
  return *std::move(solutions);
}

int64_t Distance(const Labels& a, const Labels& b) {
  int64_t count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += a[i] != b[i];
  return count;
}

TEST(PottsEnergyTest, ByHand) {
  // 0 -4- 1 -3- 2
  const std::vector<int64_t> unaries = {1, 2, 3, 10, 20, 30, -5, 0, 7};
  const std::vector<PottsEdge> edges = {{0, 1, 4}, {2, 1, 3}};
  EXPECT_EQ(PottsEnergy(3, unaries, edges, Labels{0, 0, 0}), 6);
  EXPECT_EQ(PottsEnergy(3, unaries, edges, Labels{2, 0, 0}), 3 + 10 - 5 + 4);
  EXPECT_EQ(PottsEnergy(3, unaries, edges, Labels{1, 2, 2}), 2 + 30 + 7 + 4);
  EXPECT_EQ(PottsEnergy(3, unaries, edges, Labels{0, 1, 2}), 1 + 20 + 7 + 7);
}

TEST(AlphaExpansionTest, ChainByHand) {
  // Each end wants its own label, the middle a third by less than the edges.
  const Model m{3, {0, 9, 9, 1, 1, 0, 9, 0, 9}, {{0, 1, 5}, {1, 2, 5}}};
  const PottsSolution solution = Solve(m);
  EXPECT_EQ(solution.energy, 6);
  EXPECT_THAT(solution.labels, ElementsAre(0, 0, 1));
  EXPECT_EQ(solution.sweeps, 2);
}

TEST(AlphaExpansionTest, TwoLabelsAreExact) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const int64_t nodes = 2 + static_cast<int64_t>(seed % 8);
    const Model m =
        RandomModel(nodes, 2, seed % 4 * nodes, seed % 2 == 0 ? 3 : 1000, seed);
    const PottsSolution best = BruteForce(m);
    const PottsSolution solution = Solve(m);
    ASSERT_EQ(solution.energy, best.energy) << "seed " << seed;
    EXPECT_EQ(solution.sweeps, 1);
    // Of all best ones that with most zeros, from whatever start.
    int64_t ones = 0;
    for (const int32_t l : solution.labels) ones += l;
    for (int64_t bits = 0; bits < int64_t{1} << nodes; ++bits) {
      Labels labels(nodes);
      int64_t count = 0;
      for (int64_t i = 0; i < nodes; ++i) count += labels[i] = bits >> i & 1;
      ASSERT_TRUE(Energy(m, labels) > best.energy || count >= ones);
    }
    ASSERT_EQ(Solve(m, RandomLabels(m, seed)).labels, solution.labels);
  }
}

TEST(AlphaExpansionTest, MoreLabelsAreWithinTheBound) {
  int64_t best_found = 0;
  for (uint64_t seed = 0; seed < 120; ++seed) {
    const int64_t num_labels = 3 + static_cast<int64_t>(seed % 3);
    const Model m = RandomModel(6, num_labels, 4 + seed % 3 * 4,
                                seed % 2 == 0 ? 4 : 100, seed);
    const PottsSolution best = BruteForce(m);
    for (const PottsSolution& solution :
         {Solve(m), Solve(m, RandomLabels(m, seed))}) {
      ASSERT_GE(solution.energy, best.energy) << "seed " << seed;
      ASSERT_LE(solution.energy, best.energy + EdgeEnergy(m, best.labels))
          << "seed " << seed;
      best_found += solution.energy == best.energy;
    }
  }
  EXPECT_GE(best_found, 200);  // of 240
}

// Without negative unaries the bound is a factor of two.
TEST(AlphaExpansionTest, GridsAreWithinTwiceTheBest) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Model m = RandomGrid(3, 3, 3, seed);
    for (int64_t& u : m.unaries) u += 20;
    const int64_t best = BruteForce(m).energy;
    const int64_t energy = Solve(m).energy;
    EXPECT_GE(energy, best);
    EXPECT_LE(energy, 2 * best);
  }
}

TEST(AlphaExpansionTest, NoSweepRaisesTheEnergy) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const Model m = seed % 2 == 0 ? RandomGrid(9, 13, 6, seed)
                                  : RandomModel(80, 6, 300, 30, seed);
    Labels labels = RandomLabels(m, seed);
    const PottsSolution whole = Solve(m, labels);
    int64_t energy = Energy(m, labels);
    for (int64_t sweep = 1; sweep <= whole.sweeps; ++sweep) {
      ASSERT_OK_AND_ASSIGN(
          const PottsSolution one,
          AlphaExpansion(m.num_labels, m.unaries, m.edges, labels, 1));
      EXPECT_EQ(one.sweeps, 1);
      EXPECT_LE(one.energy, energy);
      EXPECT_EQ(one.energy == energy, sweep == whole.sweeps);
      labels = one.labels;
      energy = one.energy;
    }
    EXPECT_EQ(labels, whole.labels);
    EXPECT_EQ(energy, whole.energy);
  }
}

// No move of one label to any set of nodes gains, by all sets.
TEST(AlphaExpansionTest, EndsWhereNoExpansionGains) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const Model m = RandomModel(7, 4, 14, 30, seed);
    const PottsSolution solution = Solve(m, RandomLabels(m, seed));
    for (int32_t label = 0; label < 4; ++label) {
      for (int64_t bits = 0; bits < 128; ++bits) {
        Labels moved = solution.labels;
        for (int64_t i = 0; i < 7; ++i) {
          if (bits >> i & 1) moved[i] = label;
        }
        ASSERT_GE(Energy(m, moved), solution.energy) << "seed " << seed;
      }
    }
  }
}

TEST(AlphaExpansionTest, KeepsAStartThatNothingImproves) {
  // All labellings cost the same.
  const Model m{3, std::vector<int64_t>(12, 7), {}};
  EXPECT_EQ(Solve(m, {2, 0, 1, 2}).labels, (Labels{2, 0, 1, 2}));
  EXPECT_EQ(Solve(m, {2, 0, 1, 2}).sweeps, 1);
  EXPECT_EQ(Solve(m).labels, (Labels{0, 0, 0, 0}));
}

TEST(AlphaExpansionTest, OneLabelAndNoNodes) {
  const PottsSolution one = Solve({1, {4, -2, 5}, {{0, 2, 8}}});
  EXPECT_THAT(one.labels, ElementsAre(0, 0, 0));
  EXPECT_EQ(one.energy, 7);
  EXPECT_EQ(one.sweeps, 0);
  for (const int64_t num_labels : {1, 2, 5}) {
    const PottsSolution none = Solve({num_labels, {}, {}});
    EXPECT_THAT(none.labels, IsEmpty());
    EXPECT_EQ(none.energy, 0);
    EXPECT_EQ(Diverse({num_labels, {}, {}}, 3, 2)[1].energy, 0);
  }
  const PottsSolution single = Solve({4, {3, 1, 2, 1}, {}});
  EXPECT_THAT(single.labels, ElementsAre(1));
}

TEST(AlphaExpansionTest, SumsAtTheLimitDoNotOverflow) {
  // 2 * 3 u + 4 * 2 w <= 2^61.
  const int64_t u = kMaxTotalCapacity / 12, w = kMaxTotalCapacity / 16;
  for (const int64_t sign : {1, -1}) {
    const Model m{3,
                  {sign * u, 0, 0, 0, sign * u, 0, 0, 0, sign * u},
                  {{0, 1, w}, {1, 2, w}}};
    EXPECT_EQ(Solve(m).energy, BruteForce(m).energy);
  }
}

TEST(DiverseMTest, FirstIsThePlainSolution) {
  for (const int64_t num_labels : {1, 2, 4}) {
    const Model m = RandomGrid(6, 7, num_labels, 3);
    const PottsSolution plain = Solve(m);
    const auto solutions = Diverse(m, 6, 3);
    EXPECT_EQ(solutions[0].labels, plain.labels);
    EXPECT_EQ(solutions[0].sweeps, plain.sweeps);
  }
}

TEST(DiverseMTest, ZeroLambdaGivesCopies) {
  for (const int64_t num_labels : {2, 4}) {
    const auto solutions = Diverse(RandomGrid(6, 7, num_labels, 4), 0, 5);
    for (const PottsSolution& s : solutions) {
      EXPECT_EQ(s.labels, solutions[0].labels);
    }
  }
}

// Each minimises what the header says, by all labellings.
TEST(DiverseMTest, TwoLabelsAgreeWithBruteForce) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const Model m = RandomModel(7, 2, 12, 40, seed);
    const int64_t lambda = 1 + static_cast<int64_t>(seed % 5) * 8;
    const auto solutions = Diverse(m, lambda, 5);
    Model raised = m;
    for (const PottsSolution& s : solutions) {
      ASSERT_EQ(Energy(raised, s.labels), BruteForce(raised).energy);
      EXPECT_GE(s.energy, solutions[0].energy);
      for (int64_t i = 0; i < 7; ++i) {
        raised.unaries[2 * i + s.labels[i]] += lambda;
      }
    }
  }
}

// The graph that is kept gives what a fresh one gives.
TEST(DiverseMTest, AgreesWithAlphaExpansionOnRaisedUnaries) {
  for (const int64_t num_labels : {2, 3, 5}) {
    Model m = RandomGrid(15, 18, num_labels, 8);
    const auto solutions = Diverse(m, 4, 8);
    Labels before;
    for (const PottsSolution& s : solutions) {
      const PottsSolution fresh = Solve(m, before);
      ASSERT_EQ(s.labels, fresh.labels);
      ASSERT_EQ(s.sweeps, fresh.sweeps);
      for (int64_t i = 0; i < m.nodes(); ++i) {
        m.unaries[i * num_labels + s.labels[i]] += 4;
      }
      before = s.labels;
    }
  }
}

TEST(DiverseMTest, DistanceDoesNotFallAsLambdaGrows) {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    const Model m = RandomGrid(8, 9, 2, seed);
    int64_t before = 0;
    for (int64_t lambda = 0; lambda <= 60; lambda += 3) {
      const auto solutions = Diverse(m, lambda, 2);
      const int64_t distance =
          Distance(solutions[0].labels, solutions[1].labels);
      EXPECT_GE(distance, before) << "lambda " << lambda;
      before = distance;
    }
    EXPECT_GT(before, 0);
  }
}

TEST(DiverseMTest, LargeLambdaMakesEveryNodeDiffer) {
  for (const int64_t num_labels : {2, 3, 5}) {
    const Model m = RandomGrid(7, 8, num_labels, 5);
    const auto solutions = Diverse(m, 1000000, num_labels);
    for (int64_t i = 0; i < num_labels; ++i) {
      for (int64_t j = 0; j < i; ++j) {
        EXPECT_EQ(Distance(solutions[i].labels, solutions[j].labels),
                  m.nodes());
      }
    }
  }
}

TEST(AlphaExpansionTest, RefusesWrongInput) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  const auto solve = [](int64_t num_labels, std::vector<int64_t> unaries,
                        std::vector<PottsEdge> edges, Labels start = {},
                        int64_t sweeps = 9) {
    return AlphaExpansion(num_labels, unaries, edges, start, sweeps);
  };
  EXPECT_THAT(solve(0, {}, {}),
              StatusIs(kInvalid, HasSubstr("num_labels must be 1 .. 2^31-1, "
                                           "got 0")));
  EXPECT_THAT(solve(3, {1, 2, 3, 4}, {}),
              StatusIs(kInvalid, HasSubstr("3 numbers a node, got 4")));
  EXPECT_THAT(solve(2, {1, 2, 3, 4}, {{0, 1, 1}, {0, 2, 1}}),
              StatusIs(kInvalid, HasSubstr("edge 1 must join two different "
                                           "nodes below 2, got 0 and 2")));
  EXPECT_THAT(solve(2, {1, 2, 3, 4}, {{-1, 1, 1}}),
              StatusIs(kInvalid, HasSubstr("got -1 and 1")));
  EXPECT_THAT(solve(2, {1, 2, 3, 4}, {{1, 1, 1}}),
              StatusIs(kInvalid, HasSubstr("got 1 and 1")));
  EXPECT_THAT(solve(3, {1, 2, 3, 4, 5, 6}, {{0, 1, -2}}),
              StatusIs(kInvalid, HasSubstr("weight of edge 0 must be >= 0, got "
                                           "-2")));
  EXPECT_THAT(solve(2, {1, 2, 3, 4}, {}, {0}),
              StatusIs(kInvalid, HasSubstr("each of 2 nodes, got 1")));
  EXPECT_THAT(solve(2, {1, 2, 3, 4}, {}, {0, 2}),
              StatusIs(kInvalid, HasSubstr("start[1] must be 0 .. 1, got 2")));
  EXPECT_THAT(solve(2, {1, 2, 3, 4}, {}, {-1, 0}),
              StatusIs(kInvalid, HasSubstr("start[0] must be 0 .. 1, got -1")));
  EXPECT_THAT(solve(2, {1, 2}, {}, {}, 0),
              StatusIs(kInvalid, HasSubstr("max_sweeps must be >= 1, got 0")));
  for (const int64_t u :
       {kMaxTotalCapacity, -kMaxTotalCapacity,
        std::numeric_limits<int64_t>::max(),
        std::numeric_limits<int64_t>::min(), kMaxTotalCapacity / 2 + 1}) {
    EXPECT_THAT(solve(3, {0, u, 0}, {}), StatusIs(kInvalid, HasSubstr("2^61")));
  }
  EXPECT_OK(solve(3, {0, kMaxTotalCapacity / 2, 0}, {}));
  EXPECT_THAT(solve(2, {1, 2, 3, 4}, {{0, 1, kMaxTotalCapacity / 4}}),
              StatusIs(kInvalid, HasSubstr("2^61")));
}

TEST(DiverseMTest, RefusesWrongInput) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  const std::vector<int64_t> unaries = {1, 2, 3, 4};
  EXPECT_THAT(DiverseM(2, unaries, {}, -1, 2),
              StatusIs(kInvalid, HasSubstr("got -1 and 2")));
  EXPECT_THAT(DiverseM(2, unaries, {}, 1, 0),
              StatusIs(kInvalid, HasSubstr("got 1 and 0")));
  EXPECT_THAT(DiverseM(2, unaries, {}, kMaxTotalCapacity, 3),
              StatusIs(kInvalid, HasSubstr("lambda (count - 1)")));
  EXPECT_THAT(DiverseM(2, unaries, {}, kMaxTotalCapacity / 8, 4),
              StatusIs(kInvalid, HasSubstr("2^61")));
  EXPECT_THAT(DiverseM(3, unaries, {}, 1, 2),
              StatusIs(kInvalid, HasSubstr("3 numbers a node")));
  EXPECT_OK(DiverseM(2, unaries, {}, kMaxTotalCapacity, 1));
}

}  // namespace
}  // namespace seg
