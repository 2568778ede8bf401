// Speed of second-order pooling, one thread, paired (A B B A).
//
//   BM_Regions:  the moments of 150 regions of a 500 x 375 image, sums over
//                superpixels included; peer = each region's own descriptors,
//                with its own positions, one matrix product a region
//   BM_LogEigh:  the log map of 150 matrices; peer = LibTorch's
//                eigen-decomposition, one matrix after the other in float64
//   BM_LogJacobi: the same of 10 matrices; peer = cyclic Jacobi rotations in
//                float64, the method of OpenCV's own cv::eigen (OpenCV itself
//                is no dependency)
// Arguments: BM_Regions: cells (4: D = 140, 2: D = 44), 1 for the figure alone
// or 2 for figure and ground. The others: size of the matrices, 0 for float64
// or 1 for float32 of ours.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <cmath>
#include <utility>
#include <vector>

#include "common/testing/paired_benchmark.h"
#include "segnet_rerank/o2p/descriptors.h"
#include "segnet_rerank/o2p/second_order_pooling.h"

namespace seg {
namespace segnet_rerank {
namespace {

constexpr int64_t kHeight = 375, kWidth = 500, kRegions = 150;

// Superpixels of 20 x 20 pixels; regions are boxes of 1/5 to 3/5 of the
// image's sides.
Regions Boxes() {
  constexpr int64_t kSide = 20;
  constexpr int64_t kRows = (kHeight + kSide - 1) / kSide;
  constexpr int64_t kColumns = (kWidth + kSide - 1) / kSide;
  Regions regions;
  regions.superpixels =
      (at::floor_divide(at::arange(kHeight), kSide).view({-1, 1}) * kColumns +
       at::floor_divide(at::arange(kWidth), kSide))
          .to(at::kInt);
  regions.members = at::zeros({kRegions, kRows, kColumns}, at::kByte);
  at::manual_seed(1);
  const at::Tensor places = at::rand({kRegions, 4}, at::kDouble);
  for (int64_t r = 0; r < kRegions; ++r) {
    const auto range = [&](int64_t column, int64_t size) {
      const double part = 0.2 + 0.4 * places[r][column].item<double>();
      const int64_t length = static_cast<int64_t>(part * size);
      const double first = places[r][column + 2].item<double>();
      return std::make_pair(static_cast<int64_t>(first * (size - length)),
                            length);
    };
    const auto [y, height] = range(0, kRows);
    const auto [x, width] = range(1, kColumns);
    regions.members[r].narrow(0, y, height).narrow(1, x, width).fill_(1);
  }
  regions.members = regions.members.flatten(1);
  regions.score = at::zeros({kRegions});
  return regions;
}

// Pools each region anew, in the type of the descriptors.
at::Tensor Direct(const Descriptors& descriptors, const Regions& regions,
                  Area area) {
  const at::Tensor places = descriptors.centres.to(at::kLong);
  const at::Tensor superpixel =
      regions.superpixels.flatten()
          .index_select(0, places.select(1, 1) * kWidth + places.select(1, 0))
          .to(at::kLong);
  const at::Tensor boxes = BoundingBoxes(regions);
  const int64_t local = descriptors.values.size(1) - kRawPositionValues;
  std::vector<at::Tensor> moments;
  for (int64_t r = 0; r < kRegions; ++r) {
    const bool figure = area == Area::kFigure;
    const at::Tensor inside = regions.members[r].index_select(0, superpixel);
    const at::Tensor rows = descriptors.values.index_select(
        0, (inside == (figure ? 1 : 0)).nonzero().view({-1}));
    const double x0 = figure ? boxes[r][0].item<double>() : 0;
    const double y0 = figure ? boxes[r][1].item<double>() : 0;
    const double w = figure ? boxes[r][2].item<double>() : kWidth;
    const double h = figure ? boxes[r][3].item<double>() : kHeight;
    const at::Tensor u = rows.narrow(1, local, 1) - x0,
                     v = rows.narrow(1, local + 1, 1) - y0,
                     s = 8 * rows.narrow(1, local + 2, 1);
    const at::Tensor x = at::cat(
        {rows.narrow(1, 0, local), u / w, v / h, u / h, v / w, s / h, s / w},
        1);
    moments.push_back(x.t().mm(x) / static_cast<double>(x.size(0)));
  }
  return at::stack(moments);
}

void BM_Regions(benchmark::State& state) {
  at::set_num_threads(1);
  at::manual_seed(1);
  const at::Tensor coarse = at::rand({1, 3, 12, 16});
  const at::Tensor image =
      (255 * at::upsample_bilinear2d(coarse, {kHeight, kWidth}, true)[0] +
       8 * at::randn({3, kHeight, kWidth}))
          .clamp(0, 255)
          .to(at::kByte);
  DescriptorConfig config;
  config.cells = state.range(0);
  config.cell_sizes = {2, 4, 6, 8};
  const Descriptors descriptors = ComputeDescriptors(image, config);
  const Regions regions = Boxes();
  std::vector<Area> areas = {Area::kFigure};
  if (state.range(1) == 2) areas.push_back(Area::kGround);
  const auto ours = [&] {
    const SuperpixelMoments moments =
        PoolSuperpixels(descriptors, regions.superpixels);
    at::Tensor last;
    for (const Area area : areas) {
      last = MomentsOfRegions(moments, regions, area).second;
    }
    return last;
  };
  const auto peer = [&] {
    at::Tensor last;
    for (const Area area : areas) last = Direct(descriptors, regions, area);
    return last;
  };
  // float32 sums of the peer
  if (!at::allclose(ours(), peer().to(at::kDouble), 1e-3, 1e-4)) {
    state.SkipWithError("moments differ");
    return;
  }
  RunPaired(
      state, Clock::kThread, 0, [&] { benchmark::DoNotOptimize(ours()); },
      [&] { benchmark::DoNotOptimize(peer()); });
}

// Moments of few vectors, as those of small regions are.
at::Tensor Matrices(int64_t number, int64_t size) {
  at::manual_seed(1);
  const at::Tensor x = at::rand({number, size / 2, size}, at::kDouble);
  return x.transpose(1, 2).bmm(x) / static_cast<double>(size / 2 * size);
}

at::Tensor OneByOne(const at::Tensor& g, double regulariser) {
  std::vector<at::Tensor> logs;
  for (int64_t r = 0; r < g.size(0); ++r) {
    const auto [values, vectors] = at::linalg_eigh(g[r]);
    logs.push_back(
        (vectors * (values.clamp_min(0) + regulariser).log()).mm(vectors.t()));
  }
  return at::stack(logs);
}

// Rotates each pair of rows and columns until nothing is left off the diagonal
// (Golub and Van Loan 1996, Sec. 8.4).
at::Tensor JacobiLog(const at::Tensor& g, double regulariser) {
  const int64_t size = g.size(1);
  at::Tensor logs = at::empty_like(g);
  for (int64_t r = 0; r < g.size(0); ++r) {
    at::Tensor matrix = g[r].clone(), basis = at::eye(size, at::kDouble);
    double* const a = matrix.mutable_data_ptr<double>();
    double* const rows = basis.mutable_data_ptr<double>();  // eigenvectors
    const auto rotate = [](double* p, double* q, double c, double s) {
      const double x = *p, y = *q;
      *p = c * x - s * y;
      *q = s * x + c * y;
    };
    for (bool changed = true; changed;) {
      changed = false;
      for (int64_t p = 0; p < size; ++p) {
        for (int64_t q = p + 1; q < size; ++q) {
          const double off = a[p * size + q];
          if (std::abs(off) < 1e-12) continue;
          changed = true;
          const double tau = (a[q * size + q] - a[p * size + p]) / (2 * off);
          const double t =
              std::copysign(1.0, tau) / (std::abs(tau) + std::hypot(1, tau));
          const double c = 1 / std::hypot(1, t), s = t * c;
          for (int64_t k = 0; k < size; ++k) {
            rotate(a + p * size + k, a + q * size + k, c, s);
            rotate(rows + p * size + k, rows + q * size + k, c, s);
          }
          for (int64_t k = 0; k < size; ++k) {
            rotate(a + k * size + p, a + k * size + q, c, s);
          }
        }
      }
    }
    const at::Tensor values =
        (matrix.diagonal().clamp_min(0) + regulariser).log();
    logs[r].copy_((basis.t() * values).mm(basis));
  }
  return logs;
}

template <typename Peer>
void CompareLogs(benchmark::State& state, int64_t number, const Peer& peer) {
  at::set_num_threads(1);
  const at::Tensor g = Matrices(number, state.range(0));
  const bool single = state.range(1) == 1;
  const at::Tensor own = single ? g.to(at::kFloat) : g;
  if (!at::allclose(SymmetricLog(own, 1e-3).to(at::kDouble), peer(g, 1e-3), 0.0,
                    single ? 1e-2 : 1e-8)) {
    state.SkipWithError("logarithms differ");
    return;
  }
  RunPaired(
      state, Clock::kThread, 0,
      [&] { benchmark::DoNotOptimize(SymmetricLog(own, 1e-3)); },
      [&] { benchmark::DoNotOptimize(peer(g, 1e-3)); });
}

void BM_LogEigh(benchmark::State& state) {
  CompareLogs(state, kRegions, OneByOne);
}
void BM_LogJacobi(benchmark::State& state) {
  CompareLogs(state, 10, JacobiLog);
}

BENCHMARK(BM_Regions)
    ->Args({2, 1})
    ->Args({2, 2})
    ->Args({4, 1})
    ->Args({4, 2})
    ->UseManualTime()
    ->Iterations(3);
BENCHMARK(BM_LogEigh)
    ->ArgsProduct({{47, 128, 143}, {0, 1}})
    ->UseManualTime()
    ->Iterations(5);
BENCHMARK(BM_LogJacobi)
    ->ArgsProduct({{47, 128}, {0, 1}})
    ->UseManualTime()
    ->Iterations(3);

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg

BENCHMARK_MAIN();
