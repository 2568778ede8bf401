// One step of Optimizer's Adam against torch::optim::Adam, with weight decay,
// paired (A B B A), one thread; results compared first.
//
// Argument: divisor of the widths of the networks of Sohn et al. 2015 (50
// tensors, 1.87 million parameters at full width).
//
// CPU time on an AMD EPYC with AVX-512, shared with other programs: 1.4 ms
// against 10.4 ms, lower quartile of the ratio 6.9; at half the widths 0.60 ms
// against 2.07 ms and 2.8.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <torch/optim/adam.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/testing/paired_benchmark.h"
#include "common/training/optimizer.h"

namespace seg {
namespace {

constexpr double kRate = 3e-4;

void AddLayer(int64_t in, int64_t out, int64_t k,
              std::vector<at::Tensor>* parameters) {
  parameters->push_back(0.1 * at::randn({out, in, k, k}));
  parameters->push_back(0.1 * at::randn({out}));
}

// Four networks and the two heads of lower resolution, for four classes.
std::vector<at::Tensor> Parameters(int64_t d) {
  at::manual_seed(1);
  std::vector<at::Tensor> p;
  AddLayer(3, 64 / d, 9, &p);
  AddLayer(64 / d, 96 / d, 5, &p);
  AddLayer(96 / d, 128 / d, 3, &p);
  AddLayer(128 / d, 128 / d, 3, &p);
  AddLayer(128 / d, 96 / d, 3, &p);
  AddLayer(96 / d, 64 / d, 5, &p);
  AddLayer(64 / d, 48 / d, 5, &p);
  AddLayer(48 / d, 4, 9, &p);
  for (int network = 0; network < 2; ++network) {  // prior, recognition
    AddLayer(7, 64 / d, 9, &p);
    AddLayer(64 / d, 96 / d, 5, &p);
    AddLayer(96 / d, 128 / d, 3, &p);
    AddLayer(128 / d, 32 / d, 3, &p);
    AddLayer(128 / d, 32 / d, 3, &p);
  }
  AddLayer(32 / d, 96 / d, 3, &p);
  AddLayer(96 / d, 64 / d, 5, &p);
  AddLayer(64 / d, 48 / d, 5, &p);
  AddLayer(48 / d, 48 / d, 5, &p);
  AddLayer(48 / d, 4, 9, &p);
  AddLayer(96 / d, 4, 3, &p);
  AddLayer(64 / d, 4, 5, &p);
  for (at::Tensor& parameter : p) {
    parameter.set_requires_grad(true);
    parameter.mutable_grad() = at::randn_like(parameter).detach();
  }
  return p;
}

void BM_AdamStep(benchmark::State& state) {
  at::set_num_threads(1);
  std::vector<at::Tensor> a = Parameters(state.range(0));
  std::vector<at::Tensor> b = Parameters(state.range(0));
  OptimizerConfig config;
  config.type = OptimizerType::kAdam;
  config.epsilon = 1e-6;
  config.weight_decay = 3.2e-6;
  Optimizer ours(config, {{"all", a}});
  torch::optim::Adam theirs(b, torch::optim::AdamOptions(kRate)
                                   .betas({config.beta1, config.beta2})
                                   .eps(config.epsilon)
                                   .weight_decay(config.weight_decay));
  const at::Tensor skip = at::zeros({}, at::kFloat);
  int64_t size = 0;
  for (int step = 0; step < 3; ++step) {
    ours.Step(kRate, skip);
    theirs.step();
  }
  for (size_t i = 0; i < a.size(); ++i) {
    size += a[i].numel();
    if (!at::allclose(a[i], b[i], 1e-5, 1e-6)) {
      state.SkipWithError("results differ");
      return;
    }
  }
  // Reads of parameter, gradient and moments, writes of all but the gradient.
  RunPaired(
      state, Clock::kThread, 28 * size, [&] { ours.Step(kRate, skip); },
      [&] { theirs.step(); });
}

BENCHMARK(BM_AdamStep)
    ->Arg(1)
    ->Arg(2)
    ->UseManualTime()
    ->Iterations(51)
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace seg

BENCHMARK_MAIN();
