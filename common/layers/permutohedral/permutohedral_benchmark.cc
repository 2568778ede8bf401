// Lattice build, separable and learnable filter beside the plain forms, one
// thread. Arguments of each: height, width, labels, theta_position,
// theta_colour. SEG_BENCHMARK_IMAGE=FILE takes a real picture. Counters: see
// common/testing/paired_benchmark.h; M_per_N is vertices per pixel.
#include <benchmark/benchmark.h>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "ATen/core/grad_mode.h"
#include "common/layers/permutohedral/benchmark_image.h"
#include "common/layers/permutohedral/permutohedral.h"
#include "common/layers/permutohedral/plain_lattice.h"
#include "common/testing/paired_benchmark.h"

namespace seg {
namespace {

struct Setting {
  explicit Setting(benchmark::State& state)
      : height(state.range(0)), width(state.range(1)), labels(state.range(2)) {
    at::set_num_threads(1);
    features = BilateralFeatures(BenchmarkImage(height, width), state.range(3),
                                 state.range(4));
    rows = features.contiguous();
    lattices = {PermutohedralLattice::Build(features)};
    at::manual_seed(2);
    q = at::softmax(at::randn({1, labels, height, width}), 1);
    state.counters["M_per_N"] =
        static_cast<double>(lattices[0]->num_vertices()) /
        static_cast<double>(height * width);
  }
  int64_t height, width, labels;
  at::Tensor features;  // [P,5] planar
  at::Tensor rows;      // [P,5] point-major
  LatticeVector lattices;
  at::Tensor q;
};

bool Same(benchmark::State& state, const at::Tensor& ours,
          const at::Tensor& peer) {
  // Sums of up to thousands of terms in float; a tie may move single points.
  const at::Tensor error = (ours - peer).abs() / (1 + peer.abs());
  if (error.mean().item<double>() < 1e-4) return true;
  state.SkipWithError("results differ");
  return false;
}

void BM_Build(benchmark::State& state) {
  const Setting s(state);
  const float* rows = s.rows.const_data_ptr<float>();
  const int64_t points = s.height * s.width;
  if (PlainLattice<5>(rows, points).num_vertices() !=
      s.lattices[0]->num_vertices()) {
    // Rounding may move a handful of points between simplices.
    state.counters["plain_M"] =
        static_cast<double>(PlainLattice<5>(rows, points).num_vertices());
  }
  RunPaired(
      state, Clock::kThread, 0,
      [&] { PermutohedralLattice::Build(s.features)->axis_neighbors(); },
      [&] { PlainLattice<5> plain(rows, points); });
}

void BM_Gaussian(benchmark::State& state) {
  const Setting s(state);
  const int64_t points = s.height * s.width;
  const PlainLattice<5> plain(s.rows.const_data_ptr<float>(), points);
  const at::Tensor in = s.q[0].flatten(1).t().contiguous();
  const at::Tensor out = at::empty_like(in);
  const auto ours = [&] {
    return PermutohedralGaussian(s.q, s.lattices, LatticeNormalization::kNone);
  };
  const auto peer = [&] {
    plain.Filter(in.const_data_ptr<float>(), s.labels,
                 out.mutable_data_ptr<float>());
  };
  peer();
  if (!Same(state, ours()[0].flatten(1).t(), out)) return;
  // Values in and out once, weights and vertex numbers twice.
  RunPaired(state, Clock::kThread, points * (8 * s.labels + 2 * 6 * 8), ours,
            peer);
}

// The usual learnable layer: im2col over the 63 taps and one BLAS product. It
// shares our splat and slice, so the ratio is that of the whole operator.
class Im2Col {
 public:
  explicit Im2Col(const Setting& s) : lattice_(*s.lattices[0]) {
    const int64_t m = lattice_.num_vertices();
    const auto table = lattice_.FindNeighbors(1);
    index_ = at::empty({63, m}, at::kLong);
    for (int64_t i = 0; i < 63 * m; ++i) {
      index_.mutable_data_ptr<int64_t>()[i] = table[i] < 0 ? m : table[i];
    }
  }
  // u: [M+1,L] with a last row of zeros; filter: [L_out,L,63].
  at::Tensor Apply(const at::Tensor& u, const at::Tensor& filter) const {
    const at::Tensor columns = u.index_select(0, index_.view(-1))
                                   .view({63, -1, u.size(1)})
                                   .permute({1, 0, 2})
                                   .reshape({-1, 63 * u.size(1)});
    return columns.matmul(
        filter.permute({2, 1, 0}).reshape({63 * u.size(1), -1}));
  }

 private:
  const PermutohedralLattice& lattice_;
  at::Tensor index_;
};

void BM_LearnableForward(benchmark::State& state) {
  const Setting s(state);
  const at::Tensor filter = at::randn({s.labels, s.labels, 63}) * 0.05;
  const Im2Col im2col(s);
  const int64_t m = s.lattices[0]->num_vertices();
  const int64_t points = s.height * s.width;
  const at::Tensor vertices =
      at::from_blob(const_cast<int32_t*>(s.lattices[0]->vertices()),
                    {points * 6}, at::kInt)
          .to(at::kLong);
  const at::Tensor weights =
      at::from_blob(const_cast<float*>(s.lattices[0]->weights<float>()),
                    {points, 6, 1}, at::kFloat);
  const auto ours = [&] {
    return PermutohedralFilter(s.q, filter, s.lattices,
                               LatticeNormalization::kNone);
  };
  const auto peer = [&] {
    const at::Tensor x = s.q[0].flatten(1).t().unsqueeze(1) * weights;
    const at::Tensor u =
        at::zeros({m + 1, s.labels}).index_add_(0, vertices, x.flatten(0, 1));
    const at::Tensor y = im2col.Apply(u, filter);
    return (y.index_select(0, vertices).view({points, 6, -1}) * weights).sum(1);
  };
  if (!Same(state, ours()[0].flatten(1).t(), peer())) return;
  const double pairs =
      static_cast<double>(s.lattices[0]->tap_pairs(1).begin.back());
  state.counters["pairs_per_vertex"] = pairs / static_cast<double>(m);
  RunPaired(state, Clock::kThread, 0, ours, peer);
  state.counters["GFLOPs"] =
      2e-3 * pairs * s.labels * s.labels / state.counters["ours_us"].value;
}

// Forward and backward beside the forward alone: the ratio is below 1 / 3 when
// the backward costs more than two forwards.
void BM_LearnableBackward(benchmark::State& state) {
  const Setting s(state);
  const at::Tensor q = s.q.detach().set_requires_grad(true);
  const at::Tensor filter =
      (at::randn({s.labels, s.labels, 63}) * 0.05).set_requires_grad(true);
  const at::Tensor g = at::randn_like(s.q);
  RunPaired(
      state, Clock::kThread, 0,
      [&] { PermutohedralFilter(q, filter, s.lattices).backward(g); },
      [&] {
        at::NoGradGuard no_grad;
        PermutohedralFilter(q, filter, s.lattices);
      });
}

// densecrf's example and CRF-as-RNN's thetas, two labels and VOC's.
#define SEG_SETTINGS(NAME, COUNT)     \
  BENCHMARK(NAME)                     \
      ->Args({213, 320, 2, 80, 13})   \
      ->Args({213, 320, 2, 160, 3})   \
      ->Args({375, 500, 21, 80, 13})  \
      ->Args({375, 500, 21, 160, 3})  \
      ->UseManualTime()               \
      ->Unit(benchmark::kMillisecond) \
      ->Iterations(COUNT)
SEG_SETTINGS(BM_Build, 7);
SEG_SETTINGS(BM_Gaussian, 7);
SEG_SETTINGS(BM_LearnableForward, 3);
SEG_SETTINGS(BM_LearnableBackward, 3);

}  // namespace
}  // namespace seg

BENCHMARK_MAIN();
