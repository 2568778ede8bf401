// Speed and memory of the spatial propagation (three-way, rule kDivide,
// float32) in one process, paired (A B B A).
//
//   BM_CopyBandwidth:        memcpy of 256 MiB; read and write are counted
//   BM_ForwardVsCopy, BM_TrainingVsCopy: peer = memcpy that reads and writes,
//       half each, the minimum bytes of the work, between buffers of its own:
//       the ratio is the share of the copy bandwidth. Minimum bytes an element:
//       56 for inference (12 gates, x, output), 166 for forward and backward
//       (57 + 109: winner; gates, x, gradient, winner, both gradients).
//   BM_ForwardVsEager, BM_TrainingVsEager: peer = column loop over `unbind`
//   BM_Exponent:             time of twice the size in one axis; log2
//   BM_TwoThreadsVsOne:      forward and training, wall time
//   BM_PeakMemory:           bytes of tensors at the peak of a training step
//       beyond the inputs, ours and the eager loop, in elements of x
// Arguments: N, C, H, W, channels last. One thread unless said. Results of both
// forms are compared before timing. The C allocator is told to keep freed
// memory, for us and the peers alike: a fresh 25 MB gradient costs its page
// faults, which are not the operator's.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/GradMode.h>
#include <malloc.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "common/layers/spatial_propagation/spatial_propagation.h"
#include "common/testing/paired_benchmark.h"

namespace seg {
namespace {

constexpr int64_t kForwardBytes = 56, kTrainingBytes = 57 + 109;

struct Problem {
  Problem(std::vector<int64_t> sizes, bool channels_last) {
    at::manual_seed(1);
    const auto format = channels_last ? at::MemoryFormat::ChannelsLast
                                      : at::MemoryFormat::Contiguous;
    x = at::randn(sizes).contiguous(format);
    g = at::randn(sizes).contiguous(format);
    sizes[1] *= 12;
    gates = at::randn(sizes).contiguous(format);
    x.set_requires_grad(true);
    gates.set_requires_grad(true);
  }
  explicit Problem(const benchmark::State& state)
      : Problem(
            {state.range(0), state.range(1), state.range(2), state.range(3)},
            state.range(4) != 0) {}

  at::Tensor Forward() const {
    c10::NoGradGuard no_grad;
    return SpatialPropagation(x, gates);
  }
  std::vector<at::Tensor> Training() const {
    const at::Tensor out = SpatialPropagation(x, gates);
    return torch::autograd::grad({out}, {x, gates}, {g});
  }
  std::vector<at::Tensor> EagerTraining() const;
  at::Tensor x, gates, g;
};

// One direction: axis 3 or 2, from the first or the last index. gates
// [N, 3, C, H, W], normalised, zero where unused.
at::Tensor EagerScan(const at::Tensor& x, const at::Tensor& gates, int64_t axis,
                     bool reverse) {
  const std::vector<at::Tensor> base =
      at::mul(x, 1.0 - gates.sum(1)).unbind(axis);
  std::vector<std::vector<at::Tensor>> gate;
  for (int64_t k = 0; k < 3; ++k)
    gate.push_back(gates.select(1, k).unbind(axis));
  const int64_t steps = x.size(axis), lanes = x.size(5 - axis);
  std::vector<at::Tensor> states(steps);
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t t = reverse ? steps - 1 - i : i;
    if (i == 0) {
      states[t] = base[t];
      continue;
    }
    const at::Tensor& h = states[reverse ? t + 1 : t - 1];
    const at::Tensor padded = at::constant_pad_nd(h, {1, 1});
    states[t] = base[t] + gate[0][t] * padded.narrow(2, 0, lanes) +
                gate[1][t] * h + gate[2][t] * padded.narrow(2, 2, lanes);
  }
  return at::stack(states, axis);
}

// Ones where gate k of direction d is used.
at::Tensor ValidGates(const at::Tensor& x) {
  at::Tensor valid = at::ones({1, 4, 3, 1, x.size(2), x.size(3)}, x.options());
  const int64_t last_row = x.size(2) - 1, last_column = x.size(3) - 1;
  const at::Tensor v = valid[0].squeeze(2);  // [4, 3, H, W]
  v[0].select(2, 0).zero_();
  v[1].select(2, last_column).zero_();
  v[2].select(1, 0).zero_();
  v[3].select(1, last_row).zero_();
  for (int64_t d = 0; d < 4; ++d) {
    v[d][0].select(d < 2 ? 0 : 1, 0).zero_();
    v[d][2].select(d < 2 ? 0 : 1, d < 2 ? last_row : last_column).zero_();
  }
  return valid;
}

at::Tensor EagerPropagation(const at::Tensor& x, const at::Tensor& raw,
                            const at::Tensor& valid) {
  at::Tensor g = raw.view({x.size(0), 4, 3, x.size(1), x.size(2), x.size(3)});
  g = g * valid;
  g = g / g.abs().sum(2, true).clamp_min(1e-6);
  at::Tensor out;
  for (int64_t d = 0; d < 4; ++d) {
    const at::Tensor h =
        EagerScan(x, g.select(1, d), d < 2 ? 3 : 2, d % 2 == 1);
    out = d == 0 ? h : at::max(out, h);
  }
  return out;
}

std::vector<at::Tensor> Problem::EagerTraining() const {
  const at::Tensor out = EagerPropagation(x, gates, ValidGates(x.detach()));
  return torch::autograd::grad({out}, {x, gates}, {g});
}

bool SameResult(benchmark::State& state, const at::Tensor& a,
                const at::Tensor& b) {
  if (at::allclose(a, b, 1e-3, 1e-4 * b.abs().max().item<double>())) {
    return true;
  }
  state.SkipWithError("results differ");
  return false;
}

// Forward and both gradients equal those of the eager loop.
bool Verified(benchmark::State& state, const Problem& problem) {
  const auto ours = problem.Training(), theirs = problem.EagerTraining();
  c10::NoGradGuard no_grad;
  const at::Tensor eager =
      EagerPropagation(problem.x, problem.gates, ValidGates(problem.x));
  return SameResult(state, problem.Forward(), eager) &&
         SameResult(state, ours[0], theirs[0]) &&
         SameResult(state, ours[1], theirs[1]);
}

// Reads bytes / 2 and writes bytes / 2.
class Copy {
 public:
  explicit Copy(int64_t bytes)
      : half_(bytes / 2),
        from_(at::ones({half_}, at::kByte)),
        to_(at::zeros({half_}, at::kByte)) {}
  void operator()() const {
    std::memcpy(to_.mutable_data_ptr(), from_.const_data_ptr(), half_);
    benchmark::ClobberMemory();
  }

 private:
  int64_t half_;
  at::Tensor from_, to_;
};

void BM_CopyBandwidth(benchmark::State& state) {
  const int64_t bytes = int64_t{2} << 28;
  const Copy copy(bytes);
  RunPaired(state, Clock::kThread, bytes, copy, copy);
}

void BM_ForwardVsCopy(benchmark::State& state) {
  at::set_num_threads(1);
  const Problem problem(state);
  if (!Verified(state, problem)) return;
  const int64_t bytes = kForwardBytes * problem.x.numel();
  RunPaired(
      state, Clock::kThread, bytes, [&] { problem.Forward(); }, Copy(bytes));
}

void BM_TrainingVsCopy(benchmark::State& state) {
  at::set_num_threads(1);
  const Problem problem(state);
  if (!Verified(state, problem)) return;
  const int64_t bytes = kTrainingBytes * problem.x.numel();
  RunPaired(
      state, Clock::kThread, bytes, [&] { problem.Training(); }, Copy(bytes));
}

void BM_ForwardVsEager(benchmark::State& state) {
  at::set_num_threads(1);
  const Problem problem(state);
  if (!Verified(state, problem)) return;
  const at::Tensor valid = ValidGates(problem.x.detach());
  c10::NoGradGuard no_grad;
  RunPaired(
      state, Clock::kThread, kForwardBytes * problem.x.numel(),
      [&] { problem.Forward(); },
      [&] { EagerPropagation(problem.x, problem.gates, valid); });
}

void BM_TrainingVsEager(benchmark::State& state) {
  at::set_num_threads(1);
  const Problem problem(state);
  if (!Verified(state, problem)) return;
  RunPaired(
      state, Clock::kThread, kTrainingBytes * problem.x.numel(),
      [&] { problem.Training(); }, [&] { problem.EagerTraining(); });
}

// Arguments: axis to double, training, channels last.
void BM_Exponent(benchmark::State& state) {
  at::set_num_threads(1);
  std::vector<int64_t> sizes = {2, 32, 128, 128};
  const bool channels_last = state.range(2) != 0;
  const Problem once(sizes, channels_last);
  sizes[state.range(0)] *= 2;
  const Problem twice(sizes, channels_last);
  if (state.range(1) != 0) {
    RunPaired(
        state, Clock::kThread, 0, [&] { twice.Training(); },
        [&] { once.Training(); });
  } else {
    RunPaired(
        state, Clock::kThread, 0, [&] { twice.Forward(); },
        [&] { once.Forward(); });
  }
  state.counters["exponent"] = -std::log2(state.counters["ratio"].value);
}

// Last argument: training.
void BM_TwoThreadsVsOne(benchmark::State& state) {
  const Problem problem(state);
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    if (state.range(5) != 0) {
      problem.Training();
    } else {
      problem.Forward();
    }
  };
  RunPaired(
      state, Clock::kWall, 0, [&] { run(2); }, [&] { run(1); });
  at::set_num_threads(1);
}

// Counts the bytes of live tensors.
class CountingAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    auto* block = new Block{base_->allocate(bytes), bytes, this};
    void* data = block->inner.get();
    live_ += bytes;
    peak_ = std::max(peak_, live_);
    return {data, block, &Free, c10::Device(c10::DeviceType::CPU)};
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  size_t Peak() const { return peak_; }

 private:
  struct Block {
    c10::DataPtr inner;
    size_t bytes;
    CountingAllocator* owner;
  };
  static void Free(void* context) {
    std::unique_ptr<Block> block(static_cast<Block*>(context));
    block->owner->live_ -= block->bytes;
  }
  c10::Allocator* base_ = c10::GetDefaultCPUAllocator();
  size_t live_ = 0, peak_ = 0;
};

template <typename Run>
double PeakElements(const Problem& problem, const Run& run) {
  static auto* const kept = new std::vector<std::unique_ptr<CountingAllocator>>;
  kept->push_back(std::make_unique<CountingAllocator>());
  c10::SetCPUAllocator(kept->back().get());
  run();
  c10::SetCPUAllocator(c10::GetDefaultCPUAllocator());
  return static_cast<double>(kept->back()->Peak()) / 4.0 /
         static_cast<double>(problem.x.numel());
}

void BM_PeakMemory(benchmark::State& state) {
  at::set_num_threads(1);
  const Problem problem(state);
  for (auto _ : state) {
    state.counters["ours"] = PeakElements(problem, [&] { problem.Training(); });
    state.counters["eager"] =
        PeakElements(problem, [&] { problem.EagerTraining(); });
    state.counters["ours_forward"] =
        PeakElements(problem, [&] { problem.Forward(); });
    state.SetIterationTime(1e-6);
  }
  state.counters["ratio"] =
      state.counters["eager"].value / state.counters["ours"].value;
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  for (int64_t channels_last : {1, 0}) {
    benchmark->Args({1, 32, 128, 128, channels_last});
    benchmark->Args({4, 32, 64, 64, channels_last});
  }
  benchmark->UseManualTime()->Iterations(11)->Unit(benchmark::kMicrosecond);
}

void EagerSizes(benchmark::internal::Benchmark* benchmark) {
  for (int64_t channels_last : {1, 0}) {
    benchmark->Args({1, 32, 128, 128, channels_last});
    benchmark->Args({4, 32, 64, 64, channels_last});
    benchmark->Args({1, 32, 64, 64, channels_last});
  }
  benchmark->UseManualTime()->Iterations(3)->Unit(benchmark::kMicrosecond);
}

void Exponents(benchmark::internal::Benchmark* benchmark) {
  for (int64_t channels_last : {1, 0}) {
    for (int64_t training : {0, 1}) {
      for (int64_t axis : {0, 1, 2, 3}) {
        benchmark->Args({axis, training, channels_last});
      }
    }
  }
  benchmark->UseManualTime()->Iterations(3)->Unit(benchmark::kMicrosecond);
}

void ThreadSizes(benchmark::internal::Benchmark* benchmark) {
  for (int64_t channels_last : {1, 0}) {
    for (int64_t training : {0, 1}) {
      benchmark->Args({1, 32, 128, 128, channels_last, training});
      benchmark->Args({4, 32, 64, 64, channels_last, training});
    }
  }
  benchmark->UseManualTime()->Iterations(15)->Unit(benchmark::kMicrosecond);
}

BENCHMARK(BM_CopyBandwidth)
    ->UseManualTime()
    ->Iterations(5)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_ForwardVsCopy)->Apply(Sizes);
BENCHMARK(BM_TrainingVsCopy)->Apply(Sizes);
BENCHMARK(BM_ForwardVsEager)->Apply(EagerSizes);
BENCHMARK(BM_TrainingVsEager)->Apply(EagerSizes);
BENCHMARK(BM_Exponent)->Apply(Exponents);
BENCHMARK(BM_TwoThreadsVsOne)->Apply(ThreadSizes);
BENCHMARK(BM_PeakMemory)
    ->Args({1, 32, 128, 128, 1})
    ->Args({1, 32, 128, 128, 0})
    ->Iterations(1)
    ->UseManualTime();

}  // namespace
}  // namespace seg

int main(int argc, char** argv) {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
