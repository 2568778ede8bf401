// common/solvers beside the libraries that others use, in one process, call by
// call in turns: SLIC of OpenCV's ximgproc, the maximum flow of Boykov and
// Kolmogorov in Boost.Graph, support vector machines of liblinear.
//
//   BM_Slic: width, height. Peer: createSuperpixelSLIC(SLIC), 10 iterations and
//     enforceLabelConnectivity, of an image in CIELAB (its conversion is part
//     of the peer's time, as it is of ours). Not the same labels, as the two
//     differ in detail; the numbers of superpixels are counters.
//   BM_MaxFlow: width, height, seed of the unaries. Equal values are checked.
//   BM_Regression: examples, features, targets. Peer: solver 12 for each
//   target,
//     both to the same objective (within 1 %).
//   BM_RankingPairs: groups, items, features. Peer: solver 3 (hinge) on all
//     differences written out.
// One thread.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <linear.h>

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/boykov_kolmogorov_max_flow.hpp>
#include <cmath>
#include <cstdint>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/ximgproc/slic.hpp>
#include <vector>

#include "common/base/random.h"
#include "common/datasets/synthetic/scenes.h"
#include "common/solvers/linear_svm.h"
#include "common/solvers/max_flow.h"
#include "common/solvers/ranking_svm.h"
#include "common/solvers/superpixels.h"
#include "common/testing/paired_benchmark.h"

namespace seg {
namespace {

void BM_Slic(benchmark::State& state) {
  at::set_num_threads(1);
  cv::setNumThreads(1);
  ScenesOptions options;
  options.width = state.range(0);
  options.height = state.range(1);
  const at::Tensor image = MakeScene(options, 1).image;
  constexpr int64_t kNumber = 400;
  SlicOptions slic;
  slic.number = kNumber;
  const at::Tensor bgr = image.flip(0).permute({1, 2, 0}).contiguous();
  const cv::Mat pixels(static_cast<int>(options.height),
                       static_cast<int>(options.width), CV_8UC3,
                       bgr.data_ptr<uint8_t>());
  const int side = static_cast<int>(std::lround(std::sqrt(
      static_cast<double>(options.width * options.height) / kNumber)));
  int peer_number = 0;
  const auto peer = [&] {
    cv::Mat lab, labels;
    cv::cvtColor(pixels, lab, cv::COLOR_BGR2Lab);
    const auto superpixels = cv::ximgproc::createSuperpixelSLIC(
        lab, cv::ximgproc::SLIC, side, 10.0f);
    superpixels->iterate(10);
    superpixels->enforceLabelConnectivity();
    superpixels->getLabels(labels);
    peer_number = superpixels->getNumberOfSuperpixels();
    benchmark::DoNotOptimize(labels.data);
  };
  RunPaired(
      state, Clock::kThread, 0,
      [&] { benchmark::DoNotOptimize(Slic(image, slic)); }, peer);
  state.counters["superpixels"] =
      static_cast<double>(Slic(image, slic).max().item<int64_t>() + 1);
  state.counters["peer_superpixels"] = peer_number;
}

// A two-label Potts energy on a 4-connected grid: noisy unaries of a disc.
struct Grid {
  int64_t width = 0, height = 0;
  std::vector<FlowEdge> edges;
  std::vector<int64_t> source, sink;
};

Grid MakeGrid(int64_t width, int64_t height, uint64_t seed) {
  Grid grid;
  grid.width = width;
  grid.height = height;
  Rng rng(seed);
  const auto add = [&](int64_t a, int64_t b) {
    grid.edges.push_back(
        {static_cast<int32_t>(a), static_cast<int32_t>(b), 1000, 1000});
  };
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const double dy = (static_cast<double>(y) + 0.5) / height - 0.5;
      const double dx = (static_cast<double>(x) + 0.5) / width - 0.5;
      const int64_t unary =
          (std::hypot(dy, dx) < 0.3 ? 300 : -300) + rng.Between(-1500, 1500);
      grid.source.push_back(std::max<int64_t>(unary, 0));
      grid.sink.push_back(std::max<int64_t>(-unary, 0));
      if (x + 1 < width) add(y * width + x, y * width + x + 1);
      if (y + 1 < height) add(y * width + x, (y + 1) * width + x);
    }
  }
  return grid;
}

using Traits =
    boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
struct Arc {
  int64_t capacity = 0, residual = 0;
  Traits::edge_descriptor reverse;
};
struct Node {
  boost::default_color_type colour;
  int64_t distance = 0;
  Traits::edge_descriptor predecessor;
};
using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS,
                                    Node, Arc>;

// Builds the graph and cuts it, as ours does.
int64_t BoostCut(const Grid& grid) {
  const size_t nodes = grid.source.size();
  Graph graph(nodes + 2);
  const size_t source = nodes, sink = nodes + 1;
  const auto add = [&](size_t a, size_t b, int64_t there, int64_t back) {
    const auto forward = boost::add_edge(a, b, graph).first;
    const auto backward = boost::add_edge(b, a, graph).first;
    graph[forward].capacity = there;
    graph[backward].capacity = back;
    graph[forward].reverse = backward;
    graph[backward].reverse = forward;
  };
  for (const FlowEdge& edge : grid.edges) {
    add(edge.from, edge.to, edge.capacity, edge.reverse_capacity);
  }
  for (size_t i = 0; i < nodes; ++i) {
    if (grid.source[i] > 0) add(source, i, grid.source[i], 0);
    if (grid.sink[i] > 0) add(i, sink, grid.sink[i], 0);
  }
  return boost::boykov_kolmogorov_max_flow(
      graph, boost::get(&Arc::capacity, graph),
      boost::get(&Arc::residual, graph), boost::get(&Arc::reverse, graph),
      boost::get(&Node::predecessor, graph), boost::get(&Node::colour, graph),
      boost::get(&Node::distance, graph),
      boost::get(boost::vertex_index, graph), source, sink);
}

int64_t OurCut(const Grid& grid) {
  return MaxFlow::Create(static_cast<int64_t>(grid.source.size()), grid.edges)
      ->Solve(grid.source, grid.sink)
      ->value;
}

void BM_MaxFlow(benchmark::State& state) {
  const Grid grid = MakeGrid(state.range(0), state.range(1),
                             static_cast<uint64_t>(state.range(2)));
  if (OurCut(grid) != BoostCut(grid)) {
    state.SkipWithError("values differ");
    return;
  }
  RunPaired(
      state, Clock::kThread, 0, [&] { benchmark::DoNotOptimize(OurCut(grid)); },
      [&] { benchmark::DoNotOptimize(BoostCut(grid)); });
}

void Silent(const char*) {}

// Dense rows as liblinear wants them: index and value, from 1, then an end.
struct SparseRows {
  std::vector<feature_node> nodes;
  std::vector<feature_node*> rows;
};

SparseRows MakeSparse(const at::Tensor& x) {
  const int64_t n = x.size(0), f = x.size(1);
  const float* values = x.const_data_ptr<float>();
  SparseRows sparse;
  sparse.nodes.resize(n * (f + 1));
  for (int64_t i = 0; i < n; ++i) {
    feature_node* row = &sparse.nodes[i * (f + 1)];
    for (int64_t k = 0; k < f; ++k) {
      row[k] = {static_cast<int>(k + 1), values[i * f + k]};
    }
    row[f] = {-1, 0.0};
    sparse.rows.push_back(row);
  }
  return sparse;
}

std::vector<double> TrainPeer(SparseRows& sparse, std::vector<double>& targets,
                              int64_t features, int solver, double c,
                              double epsilon, double tolerance) {
  problem data;
  data.l = static_cast<int>(sparse.rows.size());
  data.n = static_cast<int>(features);
  data.y = targets.data();
  data.x = sparse.rows.data();
  data.bias = -1;
  parameter options = {};
  options.solver_type = solver;
  options.C = c;
  options.p = epsilon;
  options.eps = tolerance;
  set_print_string_function(Silent);
  model* trained = train(&data, &options);
  std::vector<double> weights(trained->w, trained->w + features);
  free_and_destroy_model(&trained);
  return weights;
}

double Objective(const at::Tensor& x, const at::Tensor& targets,
                 const at::Tensor& weights, double c, double epsilon) {
  const at::Tensor loss =
      (x.to(at::kDouble).matmul(weights) - targets.to(at::kDouble)).abs() -
      epsilon;
  return (0.5 * weights.square().sum() + c * loss.clamp_min(0).square().sum())
      .item<double>();
}

void BM_Regression(benchmark::State& state) {
  at::set_num_threads(1);
  at::manual_seed(1);
  const int64_t n = state.range(0), f = state.range(1), t = state.range(2);
  constexpr double kC = 3.0, kEpsilon = 0.25, kTolerance = 0.01;
  const at::Tensor x = at::randn({n, f}) / std::sqrt(static_cast<double>(f));
  const at::Tensor truth = at::randn({f, t});
  const at::Tensor y =
      (x.matmul(truth) + 0.5 * at::randn({n, t})).t().contiguous();
  LinearSvmOptions options;
  options.c = kC;
  options.tolerance = kTolerance;
  SparseRows sparse = MakeSparse(x);
  at::Tensor peer_weights = at::zeros({t, f}, at::kDouble);
  const auto peer = [&] {
    for (int64_t k = 0; k < t; ++k) {
      const at::Tensor row = y[k].to(at::kDouble);
      std::vector<double> targets(row.data_ptr<double>(),
                                  row.data_ptr<double>() + n);
      const std::vector<double> w = TrainPeer(
          sparse, targets, f, L2R_L2LOSS_SVR_DUAL, kC, kEpsilon, kTolerance);
      peer_weights[k].copy_(at::tensor(w, at::kDouble));
    }
  };
  LinearSvm svm;
  const auto ours = [&] {
    svm = TrainLinearRegression(x, y, kEpsilon, options);
  };
  RunPaired(state, Clock::kThread, 0, ours, peer);
  double our_sum = 0, peer_sum = 0;
  for (int64_t k = 0; k < t; ++k) {
    our_sum += Objective(x, y[k], svm.weights[k], kC, kEpsilon);
    peer_sum += Objective(x, y[k], peer_weights[k], kC, kEpsilon);
  }
  // Below 1: ours is nearer to the optimum.
  state.counters["objective_ratio"] = our_sum / peer_sum;
}

void BM_RankingPairs(benchmark::State& state) {
  at::set_num_threads(1);
  at::manual_seed(1);
  const int64_t groups = state.range(0), items = state.range(1),
                f = state.range(2);
  const at::Tensor common = at::randn({groups, 1, f});
  const at::Tensor own = at::randn({groups, items, f});
  const at::Tensor truth = at::randn({f}) / std::sqrt(static_cast<double>(f));
  const at::Tensor score = own.matmul(truth) + at::randn({groups, items});
  const at::Tensor x = ((common + own).view({groups * items, f}) * 0.7);
  const at::Tensor accuracies =
      (0.5 + 0.1 * score).clamp(0, 1).flatten().to(at::kDouble);
  const std::vector<int64_t> sizes(groups, items);
  RankingSvmOptions options;
  options.loss = RankingLoss::kPairwise;
  options.c = 10.0;
  const auto ours = [&] {
    benchmark::DoNotOptimize(TrainRankingSvm(x, accuracies, sizes, options));
  };
  const auto peer = [&] {
    // Unweighted pairs: liblinear knows no importance of an example.
    const double* a = accuracies.const_data_ptr<double>();
    std::vector<int64_t> better, worse;
    for (int64_t g = 0; g < groups; ++g) {
      for (int64_t i = g * items; i < (g + 1) * items; ++i) {
        for (int64_t j = g * items; j < (g + 1) * items; ++j) {
          if (a[i] <= a[j]) continue;
          better.push_back(i);
          worse.push_back(j);
        }
      }
    }
    const at::Tensor differences =
        x.index_select(0, at::tensor(better, at::kLong)) -
        x.index_select(0, at::tensor(worse, at::kLong));
    SparseRows sparse = MakeSparse(differences);
    std::vector<double> targets(better.size(), 1.0);
    // Two classes, else there is no machine: half of the pairs turned round.
    for (size_t k = 0; k < targets.size(); k += 2) {
      targets[k] = -1;
      for (feature_node* node = sparse.rows[k]; node->index >= 0; ++node) {
        node->value = -node->value;
      }
    }
    const double c = options.c / static_cast<double>(better.size());
    benchmark::DoNotOptimize(
        TrainPeer(sparse, targets, f, L2R_L1LOSS_SVC_DUAL, c, 0, 0.1));
  };
  RunPaired(state, Clock::kThread, 0, ours, peer);
}

BENCHMARK(BM_Slic)
    ->Args({500, 375})
    ->UseManualTime()
    ->Iterations(15)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BM_MaxFlow)
    ->Args({320, 213, 1})
    ->Args({640, 426, 1})
    ->UseManualTime()
    ->Iterations(15)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Regression)
    ->Args({5000, 256, 4})
    ->UseManualTime()
    ->Iterations(7)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BM_RankingPairs)
    ->Args({40, 30, 1170})
    ->UseManualTime()
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace seg

BENCHMARK_MAIN();
