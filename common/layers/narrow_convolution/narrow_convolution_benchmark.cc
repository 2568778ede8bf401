// Speed of NarrowConvolution with a leaky ReLU against LibTorch's convolution
// and leaky ReLU (in place), channels-last and in planes, paired (A B B A), one
// thread, float32.
//
//   BM_Forward
//   BM_Gradients  all three, without the forward pass
//   BM_Step       forward and all gradients
//   BM_Layer      the same of Convolution3x3, with LibTorch's gradients
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

at::Tensor Layer(const at::Tensor& x, const at::Tensor& weight,
                 const at::Tensor& bias) {
  return Convolution3x3(x, weight, bias, kSlope);
}

using Form = at::Tensor (*)(const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias);
enum class Part { kForward, kGradients, kStep };

void Compare(benchmark::State& state, Form form, Part part) {
  const bool step = part != Part::kForward;
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
  const auto inputs = [&](bool channels_last, bool weight_channels_last) {
    std::vector<at::Tensor> tensors = {
        x.clone(layout(channels_last)),
        weight.clone(layout(weight_channels_last)), bias.clone(),
        g.clone(layout(channels_last))};
    for (int i = 0; i < 3; ++i) tensors[i].set_requires_grad(step);
    return tensors;
  };
  // Weights as a module holds them.
  const std::vector<at::Tensor> ours = inputs(true, false);
  const bool last = state.range(4) == 1;
  const std::vector<at::Tensor> peers = inputs(last, last);
  const c10::AutoGradMode mode(step);
  const auto forward = [](Form f, const std::vector<at::Tensor>& t) {
    return f(t[0], t[1], t[2]);
  };
  const auto gradients = [](const at::Tensor& y,
                            const std::vector<at::Tensor>& t) {
    return torch::autograd::grad({y}, {t[0], t[1], t[2]}, {t[3]},
                                 /*retain_graph=*/true);
  };
  const at::Tensor our_y = forward(form, ours), peer_y = forward(&Plain, peers);
  std::vector<at::Tensor> a = {our_y}, b = {peer_y};
  if (step) {
    a = gradients(our_y, ours);
    b = gradients(peer_y, peers);
  }
  for (size_t i = 0; i < a.size(); ++i) {
    if (!at::allclose(a[i], b[i], 1e-3,
                      1e-4 * b[i].abs().max().item<double>())) {
      state.SkipWithError("results differ");
      return;
    }
  }
  const auto run = [&](Form f, const at::Tensor& y,
                       const std::vector<at::Tensor>& t) {
    if (part == Part::kForward) {
      forward(f, t);
    } else {
      gradients(part == Part::kStep ? forward(f, t) : y, t);
    }
  };
  RunPaired(
      state, Clock::kThread, 0, [&] { run(form, our_y, ours); },
      [&] { run(&Plain, peer_y, peers); });
  const double passes = part == Part::kForward     ? 1
                        : part == Part::kGradients ? 2
                                                   : 3;
  const double products = static_cast<double>(n * in * out * 9 * size * size);
  state.counters["GFLOPS"] =
      2e-3 * passes * products / state.counters["ours_us"].value;
}

void BM_Forward(benchmark::State& state) {
  Compare(state, &Ours, Part::kForward);
}
void BM_Gradients(benchmark::State& state) {
  Compare(state, &Ours, Part::kGradients);
}
void BM_Step(benchmark::State& state) { Compare(state, &Ours, Part::kStep); }
void BM_Layer(benchmark::State& state) { Compare(state, &Layer, Part::kStep); }

void Layers(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t channels_last : {0, 1}) {
    // GANSeg's 32-pixel demo.
    benchmark->Args({16, 8, 8, 40, channels_last});
    benchmark->Args({16, 8, 16, 40, channels_last});
    benchmark->Args({16, 5, 5, 40, channels_last});
    benchmark->Args({16, 16, 8, 28, channels_last});
    benchmark->Args({16, 8, 32, 22, channels_last});
    benchmark->Args({16, 8, 64, 22, channels_last});
    benchmark->Args({16, 32, 16, 22, channels_last});
    benchmark->Args({16, 3, 12, 32, channels_last});
    benchmark->Args({16, 12, 12, 32, channels_last});
    benchmark->Args({16, 12, 24, 16, channels_last});
    benchmark->Args({16, 24, 48, 8, channels_last});
    // Towards LibTorch's ground.
    benchmark->Args({16, 32, 32, 28, channels_last});
    benchmark->Args({16, 48, 48, 16, channels_last});
    benchmark->Args({16, 64, 64, 28, channels_last});
  }
  benchmark->UseManualTime()->Iterations(15)->Unit(benchmark::kMicrosecond);
}

BENCHMARK(BM_Forward)->Apply(Layers);
BENCHMARK(BM_Gradients)->Apply(Layers);
BENCHMARK(BM_Step)->Apply(Layers);
BENCHMARK(BM_Layer)->Apply(Layers);

}  // namespace
}  // namespace seg

BENCHMARK_MAIN();
