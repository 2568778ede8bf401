// Speed of ZeroUnpoolConvolution against the plain form, the convolution of the
// unpooled map, paired (A B B A), one thread, float32.
//
//   BM_Forward, BM_Step (forward and all gradients): one layer
//   BM_Decoder, BM_DecoderStep: the generation network of Sohn et al. 2015
//     (table S3 without its first layer, which nothing is unpooled for), with
//     ReLUs
// Arguments of a layer: batch, in, out, kernel, size of x, channels last (0 or
// 1). Arguments of the decoder: batch, size of its output, classes, divisor of
// the widths, channels last.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <cmath>
#include <vector>

#include "common/layers/zero_unpool/zero_unpool.h"
#include "common/testing/paired_benchmark.h"

namespace seg {
namespace {

using Form = at::Tensor (*)(const at::Tensor&, const at::Tensor&,
                            const at::Tensor&);

at::Tensor Plain(const at::Tensor& x, const at::Tensor& weight,
                 const at::Tensor& bias) {
  const int64_t p = (weight.size(2) - 1) / 2;
  const std::array<int64_t, 2> stride = {1, 1}, padding = {p, p};
  return at::conv2d(ZeroUnpool2d(x), weight, bias, stride, padding);
}

// x, then weight and bias of each layer.
using Tensors = std::vector<at::Tensor>;

void AddLayer(int64_t in, int64_t out, int64_t k, Tensors* tensors) {
  tensors->push_back(at::randn({out, in, k, k}) /
                     std::sqrt(static_cast<double>(in * k * k)));
  tensors->push_back(at::randn({out}));
}

at::Tensor Run(Form form, const Tensors& tensors) {
  at::Tensor y = tensors[0];
  for (size_t i = 1; i < tensors.size(); i += 2) {
    if (i > 1) y = y.relu();
    y = form(y, tensors[i], tensors[i + 1]);
  }
  return y;
}

bool Same(const at::Tensor& a, const at::Tensor& b) {
  return at::allclose(a, b, 1e-3, 1e-4 * b.abs().max().item<double>());
}

void Compare(benchmark::State& state, Tensors tensors, bool channels_last,
             bool step) {
  if (channels_last) {
    tensors[0] = tensors[0].contiguous(at::MemoryFormat::ChannelsLast);
  }
  for (at::Tensor& tensor : tensors) tensor.set_requires_grad(step);
  const at::Tensor g = at::randn_like(Run(&Plain, tensors)).detach();
  const auto run = [&](Form form) -> Tensors {
    const at::Tensor y = Run(form, tensors);
    if (!step) return {y};
    return torch::autograd::grad({y}, tensors, {g});
  };
  const c10::AutoGradMode mode(step);
  const Tensors ours = run(&ZeroUnpoolConvolution), theirs = run(&Plain);
  for (size_t i = 0; i < ours.size(); ++i) {
    if (!Same(ours[i], theirs[i])) {
      state.SkipWithError("results differ");
      return;
    }
  }
  RunPaired(
      state, Clock::kThread, 0, [&] { run(&ZeroUnpoolConvolution); },
      [&] { run(&Plain); });
}

void Layer(benchmark::State& state, bool step) {
  at::set_num_threads(1);
  at::manual_seed(1);
  Tensors tensors = {at::randn(
      {state.range(0), state.range(1), state.range(4), state.range(4)})};
  AddLayer(state.range(1), state.range(2), state.range(3), &tensors);
  Compare(state, tensors, state.range(5) == 1, step);
}

void Decoder(benchmark::State& state, bool step) {
  at::set_num_threads(1);
  at::manual_seed(1);
  const int64_t size = state.range(1) / 16, d = state.range(3);
  Tensors tensors = {at::randn({state.range(0), 96 / d, size, size})};
  AddLayer(96 / d, 64 / d, 5, &tensors);
  AddLayer(64 / d, 48 / d, 5, &tensors);
  AddLayer(48 / d, 48 / d, 5, &tensors);
  AddLayer(48 / d, state.range(2), 9, &tensors);
  Compare(state, tensors, state.range(4) == 1, step);
}

void BM_Forward(benchmark::State& state) { Layer(state, false); }
void BM_Step(benchmark::State& state) { Layer(state, true); }
void BM_Decoder(benchmark::State& state) { Decoder(state, false); }
void BM_DecoderStep(benchmark::State& state) { Decoder(state, true); }

void Layers(benchmark::internal::Benchmark* benchmark) {
  for (int64_t channels_last : {0, 1}) {
    benchmark->Args({4, 96, 64, 5, 16, channels_last});
    benchmark->Args({4, 48, 48, 5, 64, channels_last});
    benchmark->Args({4, 48, 4, 9, 64, channels_last});
    benchmark->Args({4, 64, 2, 5, 32, channels_last});
  }
  benchmark->UseManualTime()->Iterations(5)->Unit(benchmark::kMillisecond);
}

void Decoders(benchmark::internal::Benchmark* benchmark) {
  for (int64_t channels_last : {0, 1}) {
    benchmark->Args({4, 128, 4, 1, channels_last});
    benchmark->Args({32, 64, 2, 2, channels_last});
  }
  benchmark->UseManualTime()->Iterations(5)->Unit(benchmark::kMillisecond);
}

BENCHMARK(BM_Forward)->Apply(Layers);
BENCHMARK(BM_Step)->Apply(Layers);
BENCHMARK(BM_Decoder)->Apply(Decoders);
BENCHMARK(BM_DecoderStep)->Apply(Decoders);

}  // namespace
}  // namespace seg

BENCHMARK_MAIN();
