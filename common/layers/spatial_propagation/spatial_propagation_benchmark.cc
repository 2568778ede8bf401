// Speed and memory of the spatial propagation (three-way, rule kDivide,
// float32) in one process, paired (A B B A).
//
//   BM_CopyBandwidth:        memcpy of 256 MiB; read and write are counted
//   BM_ForwardVsCopy, BM_TrainingVsCopy: peer = memcpy that reads and writes,
//       half each, the minimum bytes of the work, between buffers of its own:
//       the ratio is the share of the copy bandwidth. Minimum bytes an element:
//       56 for inference (12 gates, x, output), 166 for forward and backward
//       (57 + 109: winner; gates, x, gradient, winner, both gradients).
//   BM_ForwardVsEager, BM_TrainingVsEager: peer = column loop over `unbind`, on
//       planes (it is three times slower on channels last), whatever ours is on
//   BM_Exponent:             time of twice the size in one axis; log2. x and
//       out are 34 MB each or more: no cache keeps them from one direction to
//       the next, whichever size of the two
//   BM_TwoThreadsVsOne:      forward and training, wall time; copy_ratio is the
//       same for a copy of the minimum bytes, one half a thread: what the
//       memory of the machine allows; cpu_ratio is the processor time with two
//       threads over that with one: what two threads lose beside waiting, also
//       where other programs take the second core
//   BM_PeakMemory:           bytes of tensors at the peak of a training step
//       beyond the inputs, ours and the eager loop, in elements of x
// Arguments: N, C, H, W, channels last. One thread unless said. The results
// of ours and of the eager loop are compared before they are timed. Freed
// memory is kept, for us and the peers alike: a fresh 25 MB gradient costs its
// page faults, which are not the operator's.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "common/layers/spatial_propagation/eager_propagation.h"
#include "common/layers/spatial_propagation/spatial_propagation.h"
#include "common/testing/paired_benchmark.h"

namespace seg {
namespace {

constexpr int64_t kForwardBytes = 56, kTrainingBytes = 57 + 109;

// Keeps freed memory by size and counts the bytes of live tensors. For
// allocations from one thread.
class KeepingAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    std::vector<void*>& free = free_[bytes];
    void* data = nullptr;
    if (free.empty()) {
      TORCH_CHECK(posix_memalign(&data, 64, std::max<size_t>(bytes, 64)) == 0,
                  "out of memory");
    } else {
      data = free.back();
      free.pop_back();
    }
    live_ += bytes;
    peak_ = std::max(peak_, live_);
    return {data, new Block{this, data, bytes}, &Free,
            c10::Device(c10::DeviceType::CPU)};
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  // Gives the free memory back.
  void Trim() {
    for (auto& [bytes, blocks] : free_) {
      for (void* data : blocks) std::free(data);
    }
    free_.clear();
  }
  // The peak from here on, over what lives now.
  void StartPeak() { start_ = peak_ = live_; }
  size_t Peak() const { return peak_ - start_; }

 private:
  struct Block {
    KeepingAllocator* owner;
    void* data;
    size_t bytes;
  };
  static void Free(void* context) {
    const std::unique_ptr<Block> block(static_cast<Block*>(context));
    block->owner->live_ -= block->bytes;
    block->owner->free_[block->bytes].push_back(block->data);
  }
  std::map<size_t, std::vector<void*>> free_;
  size_t live_ = 0, peak_ = 0, start_ = 0;
};

KeepingAllocator* Allocator() {
  static auto* const allocator = new KeepingAllocator;
  return allocator;
}

struct Problem {
  Problem(std::vector<int64_t> sizes, bool channels_last) {
    Allocator()->Trim();
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
bool Verified(benchmark::State& state, const Problem& problem,
              const Problem& eager_problem) {
  const auto ours = problem.Training(), theirs = eager_problem.EagerTraining();
  c10::NoGradGuard no_grad;
  const at::Tensor eager = EagerPropagation(
      eager_problem.x, eager_problem.gates, ValidGates(eager_problem.x));
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
  if (!Verified(state, problem, problem)) return;
  const int64_t bytes = kForwardBytes * problem.x.numel();
  RunPaired(
      state, Clock::kThread, bytes, [&] { problem.Forward(); }, Copy(bytes));
}

void BM_TrainingVsCopy(benchmark::State& state) {
  at::set_num_threads(1);
  const Problem problem(state);
  if (!Verified(state, problem, problem)) return;
  const int64_t bytes = kTrainingBytes * problem.x.numel();
  RunPaired(
      state, Clock::kThread, bytes, [&] { problem.Training(); }, Copy(bytes));
}

// The same values.
Problem OnPlanes(const benchmark::State& state) {
  return Problem(
      {state.range(0), state.range(1), state.range(2), state.range(3)},
      /*channels_last=*/false);
}

void BM_ForwardVsEager(benchmark::State& state) {
  at::set_num_threads(1);
  const Problem problem(state);
  const Problem planes = OnPlanes(state);
  if (!Verified(state, problem, planes)) return;
  const at::Tensor valid = ValidGates(planes.x.detach());
  c10::NoGradGuard no_grad;
  RunPaired(
      state, Clock::kThread, kForwardBytes * problem.x.numel(),
      [&] { problem.Forward(); },
      [&] { EagerPropagation(planes.x, planes.gates, valid); });
}

void BM_TrainingVsEager(benchmark::State& state) {
  at::set_num_threads(1);
  const Problem problem(state);
  const Problem planes = OnPlanes(state);
  if (!Verified(state, problem, planes)) return;
  RunPaired(
      state, Clock::kThread, kTrainingBytes * problem.x.numel(),
      [&] { problem.Training(); }, [&] { planes.EagerTraining(); });
}

// Arguments: axis to double, training, channels last, side, channels.
void BM_Exponent(benchmark::State& state) {
  at::set_num_threads(1);
  std::vector<int64_t> sizes = {1, state.range(4), state.range(3),
                                state.range(3)};
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
  const int64_t bytes = state.range(5) != 0 ? kTrainingBytes : kForwardBytes;
  const Copy half(bytes * problem.x.numel() / 2);
  const Copy other_half(bytes * problem.x.numel() / 2);
  const auto copy = [&](int threads) {
    at::set_num_threads(threads);
    at::parallel_for(0, 2, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) i == 0 ? half() : other_half();
    });
  };
  std::vector<double> cpu_ratios, copy_ratios;
  for (int i = 0; i < 15; ++i) {
    double cpu[3] = {}, wall[3] = {};
    for (int threads : {2, 1, 1, 2}) {
      const double start = Seconds(Clock::kProcess);
      run(threads);
      cpu[threads] += Seconds(Clock::kProcess) - start;
      const double copy_start = Seconds(Clock::kWall);
      copy(threads);
      wall[threads] += Seconds(Clock::kWall) - copy_start;
    }
    cpu_ratios.push_back(cpu[2] / cpu[1]);
    copy_ratios.push_back(wall[1] / wall[2]);
  }
  state.counters["cpu_ratio"] = Quantile(cpu_ratios, 0.5);
  state.counters["copy_ratio"] = Quantile(copy_ratios, 0.5);
  at::set_num_threads(1);
}

template <typename Run>
double PeakElements(const Problem& problem, const Run& run) {
  Allocator()->StartPeak();
  run();
  return static_cast<double>(Allocator()->Peak()) / 4.0 /
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
        benchmark->Args({axis, training, channels_last, 528, 32});
        if (channels_last != 0) {
          benchmark->Args({axis, training, channels_last, 400, 64});
        } else {  // widths that are a power of two
          benchmark->Args({axis, training, channels_last, 512, 32});
        }
      }
    }
  }
  benchmark->UseManualTime()->Iterations(5)->Unit(benchmark::kMicrosecond);
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
  c10::SetCPUAllocator(seg::Allocator());
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
