// Speed of NarrowConvolution with a leaky ReLU against LibTorch's convolution
// and leaky ReLU (in place), channels-last and in planes, paired (A B B A), one
// thread, float32.
//
//   BM_Forward, BM_Step (forward and all gradients)
// Arguments: batch, in, out, size, peer's layout (1: channels last).

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <vector>

#include "common/layers/narrow_convolution/narrow_convolution.h"
#include "common/testing/paired_benchmark.h"

namespace seg {
namespace {

constexpr double kSlope = 0.2;

at::Tensor Plain(const at::Tensor& x, const at::Tensor& weight,
                 const at::Tensor& bias) {
  at::Tensor y = at::conv2d(x, weight, bias, 1, 1);
  return at::leaky_relu_(y, kSlope);
}

at::Tensor Ours(const at::Tensor& x, const at::Tensor& weight,
                const at::Tensor& bias) {
  return NarrowConvolution(x, weight, bias, kSlope);
}

void Compare(benchmark::State& state, bool step) {
  at::set_num_threads(1);
  at::manual_seed(1);
  const int64_t n = state.range(0), in = state.range(1), out = state.range(2);
  const int64_t size = state.range(3);
  const auto layout = [](bool channels_last) {
    return channels_last ? at::MemoryFormat::ChannelsLast
                         : at::MemoryFormat::Contiguous;
  };
  const at::Tensor x = at::randn({n, in, size, size});
  const at::Tensor weight =
      at::randn({out, in, 3, 3}) / std::sqrt(9.0 * static_cast<double>(in));
  const at::Tensor bias = at::randn({out}), g = at::randn({n, out, size, size});
  const auto in_layout = [&](bool channels_last) {
    std::vector<at::Tensor> tensors = {
        x.clone(layout(channels_last)), weight.clone(layout(channels_last)),
        bias.clone(), g.clone(layout(channels_last))};
    for (int i = 0; i < 3; ++i) tensors[i].set_requires_grad(step);
    return tensors;
  };
  const std::vector<at::Tensor> ours = in_layout(true);
  const std::vector<at::Tensor> peers = in_layout(state.range(4) == 1);
  const auto run =
      [&](auto form,
          const std::vector<at::Tensor>& t) -> std::vector<at::Tensor> {
    const at::Tensor y = form(t[0], t[1], t[2]);
    if (!step) return {y};
    return torch::autograd::grad({y}, {t[0], t[1], t[2]}, {t[3]});
  };
  const c10::AutoGradMode mode(step);
  const auto a = run(&Ours, ours), b = run(&Plain, peers);
  for (size_t i = 0; i < a.size(); ++i) {
    if (!at::allclose(a[i], b[i], 1e-3,
                      1e-4 * b[i].abs().max().item<double>())) {
      state.SkipWithError("results differ");
      return;
    }
  }
  RunPaired(
      state, Clock::kThread, 0, [&] { run(&Ours, ours); },
      [&] { run(&Plain, peers); });
  const double products = static_cast<double>(n * in * out * 9 * size * size);
  state.counters["GFLOPS"] =
      2e-3 * (step ? 3 : 1) * products / state.counters["ours_us"].value;
}

void BM_Forward(benchmark::State& state) { Compare(state, false); }
void BM_Step(benchmark::State& state) { Compare(state, true); }

void Layers(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t channels_last : {0, 1}) {
    // GANSeg's 32-pixel demo.
    benchmark->Args({16, 8, 8, 40, channels_last});
    benchmark->Args({16, 8, 16, 40, channels_last});
    benchmark->Args({16, 5, 5, 40, channels_last});
    benchmark->Args({16, 16, 8, 28, channels_last});
    benchmark->Args({16, 8, 64, 22, channels_last});
    benchmark->Args({16, 32, 16, 22, channels_last});
    benchmark->Args({16, 3, 12, 32, channels_last});
    benchmark->Args({16, 24, 48, 8, channels_last});
    // Towards LibTorch's ground.
    benchmark->Args({16, 32, 32, 28, channels_last});
    benchmark->Args({16, 48, 48, 16, channels_last});
    benchmark->Args({16, 64, 64, 28, channels_last});
  }
  benchmark->UseManualTime()->Iterations(15)->Unit(benchmark::kMicrosecond);
}

BENCHMARK(BM_Forward)->Apply(Layers);
BENCHMARK(BM_Step)->Apply(Layers);

}  // namespace
}  // namespace seg

BENCHMARK_MAIN();
