#include "common/solvers/max_flow.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "common/base/random.h"
#include "common/solvers/max_flow_reference.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Problem {
  std::vector<FlowEdge> edges;
  std::vector<int64_t> source, sink;

  int64_t nodes() const { return static_cast<int64_t>(source.size()); }
};

// The energy of max_flow.h, term by term.
int64_t Energy(const Problem& p, const std::vector<uint8_t>& on_source_side) {
  int64_t energy = 0;
  for (int64_t i = 0; i < p.nodes(); ++i) {
    energy += on_source_side[i] ? p.sink[i] : p.source[i];
  }
  for (const FlowEdge& e : p.edges) {
    if (on_source_side[e.from] && !on_source_side[e.to]) energy += e.capacity;
    if (on_source_side[e.to] && !on_source_side[e.from]) {
      energy += e.reverse_capacity;
    }
  }
  return energy;
}

// The least energy over all cuts, and the intersection of the source sides of
// those that have it.
MinCut BruteForce(const Problem& p) {
  MinCut best;
  best.value = std::numeric_limits<int64_t>::max();
  std::vector<uint8_t> side(p.nodes());
  for (int64_t bits = 0; bits < int64_t{1} << p.nodes(); ++bits) {
    for (int64_t i = 0; i < p.nodes(); ++i) side[i] = bits >> i & 1;
    const int64_t energy = Energy(p, side);
    if (energy < best.value) best = {energy, side};
    if (energy > best.value) continue;
    for (int64_t i = 0; i < p.nodes(); ++i) best.source_side[i] &= side[i];
  }
  return best;
}

// Capacities below `limit`, a third of them zero.
int64_t RandomCapacity(Rng* rng, int64_t limit) {
  return rng->OneIn(3) ? 0 : rng->Below(limit);
}

void DrawTerminals(Rng* rng, int64_t limit, Problem* p) {
  for (int64_t& c : p->source) c = RandomCapacity(rng, limit);
  for (int64_t& c : p->sink) c = RandomCapacity(rng, limit);
}

Problem RandomProblem(int64_t nodes, int64_t edges, int64_t limit,
                      uint64_t seed) {
  Rng rng(RandomKey({seed, 17}));
  Problem p;
  p.source.resize(nodes);
  p.sink.resize(nodes);
  DrawTerminals(&rng, limit, &p);
  for (int64_t e = 0; e < edges; ++e) {
    const int32_t from = static_cast<int32_t>(rng.Below(nodes));
    const int32_t step = static_cast<int32_t>(rng.Between(1, nodes - 1));
    p.edges.push_back({from, static_cast<int32_t>((from + step) % nodes),
                       RandomCapacity(&rng, limit),
                       RandomCapacity(&rng, limit)});
  }
  return p;
}

// A two-label Potts energy on a 4-connected grid.
Problem RandomGrid(int64_t height, int64_t width, uint64_t seed) {
  Rng rng(RandomKey({seed, 18}));
  Problem p;
  p.source.resize(height * width);
  p.sink.resize(height * width);
  DrawTerminals(&rng, 20, &p);
  const auto add = [&](int64_t a, int64_t b) {
    const int64_t weight = rng.Below(9);
    p.edges.push_back(
        {static_cast<int32_t>(a), static_cast<int32_t>(b), weight, weight});
  };
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      if (x + 1 < width) add(y * width + x, y * width + x + 1);
      if (y + 1 < height) add(y * width + x, (y + 1) * width + x);
    }
  }
  return p;
}

MinCut SolveAnew(const Problem& p) {
  absl::StatusOr<MaxFlow> graph = MaxFlow::Create(p.nodes(), p.edges);
  EXPECT_OK(graph);
  absl::StatusOr<MinCut> cut = graph->Solve(p.source, p.sink);
  EXPECT_OK(cut);
  return *std::move(cut);
}

// A flow that the capacities permit and a cut of the same value: each proves
// the other to be the best.
void ExpectCertificate(const Problem& p) {
  ASSERT_OK_AND_ASSIGN(MaxFlow graph, MaxFlow::Create(p.nodes(), p.edges));
  ASSERT_OK_AND_ASSIGN(const MinCut cut, graph.Solve(p.source, p.sink));
  EXPECT_EQ(cut.value, Energy(p, cut.source_side));

  std::vector<int64_t> out(p.nodes(), 0);
  ASSERT_EQ(graph.num_edges(), static_cast<int64_t>(p.edges.size()));
  for (int64_t e = 0; e < graph.num_edges(); ++e) {
    const int64_t flow = graph.Flow(e);
    ASSERT_LE(flow, p.edges[e].capacity);
    ASSERT_GE(flow, -p.edges[e].reverse_capacity);
    out[p.edges[e].from] += flow;
    out[p.edges[e].to] -= flow;
  }
  // From the source to node i flows at most source[i], and at most what leaves
  // it along edges and to the sink.
  int64_t value = 0;
  for (int64_t i = 0; i < p.nodes(); ++i) {
    ASSERT_LE(out[i], p.source[i]);
    ASSERT_GE(out[i], -p.sink[i]);
    value += std::min(p.source[i], p.sink[i] + out[i]);
  }
  EXPECT_EQ(cut.value, value);
}

TEST(MaxFlowTest, ChainIsCutAtItsWeakestEdge) {
  // source -9-> 0 -7-> 1 -3-> 2 -8-> sink
  const MinCut cut =
      SolveAnew({{{0, 1, 7, 0}, {1, 2, 3, 0}}, {9, 0, 0}, {0, 0, 8}});
  EXPECT_EQ(cut.value, 3);
  EXPECT_THAT(cut.source_side, ElementsAre(1, 1, 0));
}

TEST(MaxFlowTest, FlowMustBeSentBack) {
  // Two paths of 1 whose short cut 1 -> 2 joins their wrong halves:
  // source -> {0, 2}, 0 -> 1, 2 -> 3, {1, 3} -> sink, and 0 -> 3, 2 -> 1.
  const Problem p{{{0, 1, 1, 0}, {2, 3, 1, 0}, {0, 3, 1, 0}, {2, 1, 1, 0}},
                  {2, 0, 1, 0},
                  {0, 1, 0, 2}};
  EXPECT_EQ(SolveAnew(p).value, 3);
  ExpectCertificate(p);
}

TEST(MaxFlowTest, DirectionsOfAnEdgeAreNotConfused) {
  const std::vector<int64_t> source = {5, 0}, sink = {0, 5};
  EXPECT_EQ(SolveAnew({{{0, 1, 2, 4}}, source, sink}).value, 2);
  EXPECT_EQ(SolveAnew({{{1, 0, 2, 4}}, source, sink}).value, 4);
}

TEST(MaxFlowTest, EdgesOfTheSameNodesAddUp) {
  const MinCut cut = SolveAnew(
      {{{0, 1, 2, 0}, {1, 0, 0, 3}, {0, 1, 4, 0}}, {100, 0}, {0, 100}});
  EXPECT_EQ(cut.value, 9);
  EXPECT_THAT(cut.source_side, ElementsAre(1, 0));
}

TEST(MaxFlowTest, OneNodeTakesItsCheaperSide) {
  EXPECT_EQ(SolveAnew({{}, {3}, {5}}).value, 3);
  EXPECT_THAT(SolveAnew({{}, {3}, {5}}).source_side, ElementsAre(0));
  EXPECT_THAT(SolveAnew({{}, {5}, {3}}).source_side, ElementsAre(1));
}

TEST(MaxFlowTest, NoNodesAndNoEdges) {
  EXPECT_EQ(SolveAnew({}).value, 0);
  EXPECT_TRUE(SolveAnew({}).source_side.empty());
  const MinCut cut = SolveAnew({{}, {4, 0, 2}, {1, 3, 2}});
  EXPECT_EQ(cut.value, 1 + 0 + 2);
  EXPECT_THAT(cut.source_side, ElementsAre(1, 0, 0));  // a tie: the sink side
}

TEST(MaxFlowTest, ZeroCapacitiesCutNothing) {
  const MinCut cut =
      SolveAnew({{{0, 1, 0, 0}, {1, 2, 0, 0}}, {0, 0, 0}, {0, 0, 0}});
  EXPECT_EQ(cut.value, 0);
  EXPECT_THAT(cut.source_side, ElementsAre(0, 0, 0));
  // An edge of zero separates.
  EXPECT_THAT(SolveAnew({{{0, 1, 0, 0}}, {6, 0}, {0, 6}}).source_side,
              ElementsAre(1, 0));
}

TEST(MaxFlowTest, DisconnectedPartsAreCutApart) {
  // 0-1 as in a chain, 2-3 without a source, 4 alone without terminals.
  const Problem p{
      {{0, 1, 2, 2}, {2, 3, 5, 5}}, {4, 0, 0, 0, 0}, {0, 3, 7, 0, 0}};
  const MinCut cut = SolveAnew(p);
  EXPECT_EQ(cut.value, 2);
  EXPECT_THAT(cut.source_side, ElementsAre(1, 0, 0, 0, 0));
  ExpectCertificate(p);
}

TEST(MaxFlowTest, AgreesWithAllCutsOfRandomGraphs) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const int64_t nodes = 2 + static_cast<int64_t>(seed % 9);
    // Small limits make ties, where the least source side has to come out.
    const int64_t limit = seed % 2 == 0 ? 4 : 1000;
    const Problem p = RandomProblem(nodes, seed % 4 * nodes, limit, seed);
    const MinCut expected = BruteForce(p), cut = SolveAnew(p);
    ASSERT_EQ(cut.value, expected.value) << "seed " << seed;
    ASSERT_EQ(cut.source_side, expected.source_side) << "seed " << seed;
    ExpectCertificate(p);
  }
}

TEST(MaxFlowTest, AgreesWithAllCutsOfTwelveNodes) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const Problem p = RandomProblem(12, 30, 6, seed);
    const MinCut expected = BruteForce(p), cut = SolveAnew(p);
    ASSERT_EQ(cut.value, expected.value) << "seed " << seed;
    ASSERT_EQ(cut.source_side, expected.source_side) << "seed " << seed;
  }
}

TEST(MaxFlowTest, PottsGridAgreesWithAllLabellings) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Problem p = RandomGrid(3, 4, seed);
    const MinCut expected = BruteForce(p), cut = SolveAnew(p);
    ASSERT_EQ(cut.value, expected.value) << "seed " << seed;
    ASSERT_EQ(cut.source_side, expected.source_side) << "seed " << seed;
  }
}

// Also where there are too many cuts to try. The limits make many ties, and
// hardly any.
TEST(MaxFlowTest, AgreesWithShortestAugmentingPaths) {
  const auto compare = [](const Problem& p) {
    const MinCut expected = EdmondsKarp(p.edges, p.source, p.sink);
    const MinCut cut = SolveAnew(p);
    EXPECT_EQ(cut.value, expected.value);
    EXPECT_EQ(cut.source_side, expected.source_side);
    EXPECT_GT(cut.value, 0);
  };
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(RandomKey({seed, 19}));
    const int64_t nodes = rng.Between(60, 300);
    const int64_t limit = seed % 2 == 0 ? 4 : 100000;
    compare(RandomProblem(nodes, rng.Between(nodes, 6 * nodes), limit, seed));
    compare(RandomGrid(rng.Between(8, 24), rng.Between(8, 24), seed));
  }
}

TEST(MaxFlowTest, LargeProblemsHaveACertificate) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    ExpectCertificate(RandomGrid(40, 53, seed));
    ExpectCertificate(RandomProblem(300, 2000, 50, seed));
    ExpectCertificate(RandomProblem(2000, 3000, int64_t{1} << 40, seed));
  }
}

TEST(MaxFlowTest, OrderOfEdgesDoesNotMatter) {
  const Problem p = RandomGrid(20, 30, 3);
  const MinCut cut = SolveAnew(p);
  EXPECT_EQ(SolveAnew(p).source_side, cut.source_side);
  Problem turned = p;
  std::reverse(turned.edges.begin(), turned.edges.end());
  for (FlowEdge& e : turned.edges) {
    e = {e.to, e.from, e.reverse_capacity, e.capacity};
  }
  EXPECT_EQ(SolveAnew(turned).value, cut.value);
  EXPECT_EQ(SolveAnew(turned).source_side, cut.source_side);
}

// Any change of the terminals, not only those of a sweep.
TEST(MaxFlowTest, FurtherCallsGiveWhatAFreshGraphGives) {
  for (const bool grid : {true, false}) {
    Problem p = grid ? RandomGrid(12, 15, 5) : RandomProblem(60, 240, 30, 5);
    ASSERT_OK_AND_ASSIGN(MaxFlow graph, MaxFlow::Create(p.nodes(), p.edges));
    Rng rng(4);
    for (int k = 0; k < 40; ++k) {
      DrawTerminals(&rng, k % 3 == 0 ? 5 : 40, &p);
      ASSERT_OK_AND_ASSIGN(const MinCut cut, graph.Solve(p.source, p.sink));
      const MinCut fresh = SolveAnew(p);
      ASSERT_EQ(cut.value, fresh.value) << "call " << k;
      ASSERT_EQ(cut.source_side, fresh.source_side) << "call " << k;
    }
  }
}

TEST(MaxFlowTest, SourceSidesOfASweepAreNested) {
  Problem p = RandomGrid(15, 20, 6);
  ASSERT_OK_AND_ASSIGN(MaxFlow graph, MaxFlow::Create(p.nodes(), p.edges));
  std::vector<uint8_t> previous(p.nodes(), 0);
  int64_t before = 0;
  for (int64_t lambda = 0; lambda <= 24; ++lambda) {
    if (lambda > 0) {
      for (int64_t& c : p.source) ++c;
    }
    ASSERT_OK_AND_ASSIGN(const MinCut cut, graph.Solve(p.source, p.sink));
    ASSERT_EQ(cut.value, SolveAnew(p).value);
    int64_t size = 0;
    for (int64_t i = 0; i < p.nodes(); ++i) {
      ASSERT_GE(cut.source_side[i], previous[i]) << "lambda " << lambda;
      size += cut.source_side[i];
    }
    EXPECT_GE(size, before);
    before = size;
    previous = cut.source_side;
  }
  EXPECT_EQ(before, p.nodes());  // the sweep does reach all nodes
}

TEST(MaxFlowTest, CapacitiesAtTheLimitDoNotOverflow) {
  const int64_t third = kMaxTotalCapacity / 3;
  const Problem p{{{0, 1, third, 0}}, {third, 0}, {0, third}};
  EXPECT_EQ(SolveAnew(p).value, third);
  ASSERT_OK_AND_ASSIGN(MaxFlow graph, MaxFlow::Create(2, p.edges));
  const std::vector<int64_t> none = {0, 0}, forth = {third, third};
  for (int k = 0; k < 4; ++k) {  // the flow is pushed to and fro
    ASSERT_OK_AND_ASSIGN(const MinCut to, graph.Solve(p.source, p.sink));
    EXPECT_EQ(to.value, third);
    ASSERT_OK_AND_ASSIGN(const MinCut from, graph.Solve(p.sink, p.source));
    EXPECT_EQ(from.value, 0);
    ASSERT_OK_AND_ASSIGN(const MinCut all, graph.Solve(forth, none));
    EXPECT_EQ(all.value, 0);
  }
}

TEST(MaxFlowTest, RefusesWrongGraphs) {
  const auto create = [](int64_t nodes, std::vector<FlowEdge> edges) {
    return MaxFlow::Create(nodes, edges);
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(create(-1, {}), StatusIs(kInvalid, HasSubstr("got -1")));
  EXPECT_THAT(create(int64_t{1} << 31, {}),
              StatusIs(kInvalid, HasSubstr("got 2147483648")));
  EXPECT_THAT(create(3, {{0, 1, 1, 1}, {1, 3, 1, 1}}),
              StatusIs(kInvalid, HasSubstr("edge 1 must join two different "
                                           "nodes below 3, got 1 and 3")));
  EXPECT_THAT(create(3, {{-1, 1, 1, 1}}),
              StatusIs(kInvalid, HasSubstr("got -1 and 1")));
  EXPECT_THAT(create(3, {{2, 2, 1, 1}}),
              StatusIs(kInvalid, HasSubstr("got 2 and 2")));
  EXPECT_THAT(create(3, {{0, 1, -4, 1}}),
              StatusIs(kInvalid, HasSubstr("must be >= 0, got -4 and 1")));
  EXPECT_THAT(create(3, {{0, 1, 4, -1}}),
              StatusIs(kInvalid, HasSubstr("must be >= 0, got 4 and -1")));
  EXPECT_THAT(create(3, {{0, 1, kMaxTotalCapacity, 1}}),
              StatusIs(kInvalid, HasSubstr("2^61")));
}

TEST(MaxFlowTest, RefusesWrongTerminalsAndStaysAsItWas) {
  const Problem p{{{0, 1, 2, 0}}, {5, 0}, {0, 5}};
  ASSERT_OK_AND_ASSIGN(MaxFlow graph, MaxFlow::Create(2, p.edges));
  ASSERT_OK(graph.Solve(p.source, p.sink));
  const std::vector<int64_t> short_one = {1}, negative = {1, -2},
                             large = {kMaxTotalCapacity, 0};
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(graph.Solve(short_one, p.sink),
              StatusIs(kInvalid, HasSubstr("source must have one capacity for "
                                           "each of 2 nodes, got 1")));
  EXPECT_THAT(graph.Solve(p.source, negative),
              StatusIs(kInvalid, HasSubstr("sink[1] must be >= 0, got -2")));
  EXPECT_THAT(graph.Solve(large, p.sink),
              StatusIs(kInvalid, HasSubstr("2^61")));
  EXPECT_EQ(graph.Flow(0), 2);
  ASSERT_OK_AND_ASSIGN(const MinCut cut, graph.Solve(p.source, p.sink));
  EXPECT_EQ(cut.value, 2);
}

TEST(CapacityScaleTest, IsTheLargestPowerOfTwoThatFits) {
  EXPECT_EQ(CapacityScale(0.0), 1.0);
  for (const double total : {1e-300, 0.3, 1.0, 1.5, 7.0, 1e9, 1e300}) {
    const double scale = CapacityScale(total);
    int exponent = 0;
    EXPECT_EQ(std::frexp(scale, &exponent), 0.5) << total;
    EXPECT_LE(total * scale, 0x1p60) << total;
    if (total > 1e-290) {
      EXPECT_GE(total * scale, 0x1p59) << total;
    }
  }
}

// Real energies: the labelling is the best one, as far as rounding can tell.
TEST(CapacityScaleTest, RealPottsEnergyAgreesWithAllLabellings) {
  const Problem shape = RandomGrid(3, 3, 8);
  Rng rng(9);
  std::vector<double> source(9), sink(9), weight(shape.edges.size());
  double total = 0.0;
  for (double& c : source) total += c = rng.Uniform();
  for (double& c : sink) total += c = rng.Uniform();
  for (double& c : weight) total += 2.0 * (c = 0.3 * rng.Uniform());
  const auto energy = [&](const std::vector<uint8_t>& side) {
    double sum = 0.0;
    for (size_t i = 0; i < 9; ++i) sum += side[i] ? sink[i] : source[i];
    for (size_t e = 0; e < weight.size(); ++e) {
      const bool cut = side[shape.edges[e].from] != side[shape.edges[e].to];
      sum += cut ? weight[e] : 0.0;
    }
    return sum;
  };

  const double scale = CapacityScale(total);
  const auto integer = [&](double c) {
    return static_cast<int64_t>(std::llround(c * scale));
  };
  Problem p = shape;
  for (size_t i = 0; i < 9; ++i) {
    p.source[i] = integer(source[i]);
    p.sink[i] = integer(sink[i]);
  }
  for (size_t e = 0; e < weight.size(); ++e) {
    p.edges[e].capacity = p.edges[e].reverse_capacity = integer(weight[e]);
  }
  const MinCut cut = SolveAnew(p);
  double best = std::numeric_limits<double>::infinity();
  std::vector<uint8_t> side(9);
  for (int bits = 0; bits < 512; ++bits) {
    for (int i = 0; i < 9; ++i) side[i] = bits >> i & 1;
    best = std::min(best, energy(side));
  }
  EXPECT_DOUBLE_EQ(energy(cut.source_side), best);
}

}  // namespace
}  // namespace seg
