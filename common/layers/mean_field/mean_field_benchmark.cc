// Whole inference, set-up and ten iterations, beside the same mathematics put
// together from PermutohedralGaussian and at::softmax, lattices rebuilt in each
// iteration as usual layers do or built once. One thread. Arguments: height,
// width, labels, theta_position, theta_colour, and 1 to rebuild. For
// pydensecrf2 beside us see tools/peers/dense_crf.py.
#include <benchmark/benchmark.h>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "common/layers/mean_field/mean_field.h"
#include "common/layers/permutohedral/benchmark_image.h"
#include "common/layers/permutohedral/permutohedral.h"
#include "common/testing/paired_benchmark.h"

namespace seg {
namespace {

at::Tensor Composed(const at::Tensor& unary, const at::Tensor& image,
                    const MeanFieldOptions& o, bool rebuild) {
  LatticeVector spatial, bilateral;
  at::Tensor q = at::softmax(-unary, 1);
  for (int64_t t = 0; t < o.iterations; ++t) {
    if (t == 0 || rebuild) {
      spatial = BuildSpatialLattices(1, unary.size(2), unary.size(3),
                                     o.spatial_theta);
      bilateral = BuildBilateralLattices(image, o.bilateral_theta_position,
                                         o.bilateral_theta_colour);
    }
    q = at::softmax(
        -unary + o.spatial_weight * PermutohedralGaussian(q, spatial) +
            o.bilateral_weight * PermutohedralGaussian(q, bilateral),
        1);
  }
  return q;
}

void BM_MeanField(benchmark::State& state) {
  at::set_num_threads(1);
  const int64_t height = state.range(0);
  const int64_t width = state.range(1);
  MeanFieldOptions options;
  options.bilateral_theta_position = static_cast<double>(state.range(3));
  options.bilateral_theta_colour = static_cast<double>(state.range(4));
  const at::Tensor image = BenchmarkImage(height, width).unsqueeze(0);
  at::manual_seed(2);
  const at::Tensor unary = at::rand({1, state.range(2), height, width}) * 2;
  const bool rebuild = state.range(5) != 0;
  const at::Tensor expected = Composed(unary, image, options, false);
  if ((MeanField(unary, image, options) - expected)
          .abs()
          .mean()
          .item<double>() > 1e-4) {
    state.SkipWithError("results differ");
    return;
  }
  RunPaired(
      state, Clock::kThread, 0, [&] { MeanField(unary, image, options); },
      [&] { Composed(unary, image, options, rebuild); });
}

BENCHMARK(BM_MeanField)
    ->Args({213, 320, 2, 80, 13, 0})
    ->Args({213, 320, 2, 80, 13, 1})
    ->Args({213, 320, 2, 160, 3, 0})
    ->Args({213, 320, 2, 160, 3, 1})
    ->Args({375, 500, 21, 80, 13, 0})
    ->Args({375, 500, 21, 80, 13, 1})
    ->Args({375, 500, 21, 160, 3, 0})
    ->Args({375, 500, 21, 160, 3, 1})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(3);

}  // namespace
}  // namespace seg

BENCHMARK_MAIN();
