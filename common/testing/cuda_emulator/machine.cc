#include "common/testing/cuda_emulator/machine.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <numeric>

#include "common/testing/cuda_emulator/accesses.h"
#include "common/testing/cuda_emulator/arithmetic.h"
#include "common/testing/cuda_emulator/source_line.h"

uint3 threadIdx;
uint3 blockIdx;
dim3 blockDim;
dim3 gridDim;

namespace seg::cuda::emulator {
namespace {

constexpr int64_t kMaxYields = 5'000'000;

uint3 Unravel(int64_t number, dim3 size) {
  return {static_cast<unsigned>(number % size.x),
          static_cast<unsigned>(number / size.x % size.y),
          static_cast<unsigned>(number / size.x / size.y)};
}

}  // namespace

std::string Format(const char* format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  return text;
}

std::string ToString(uint3 index) {
  return Format("(%u,%u,%u)", index.x, index.y, index.z);
}

std::string ToString(Site site) {
  return Format("%s:%d", site.file, site.line);
}

Machine& Machine::Get() {
  static Machine* const machine = new Machine;
  return *machine;
}

Machine::Machine() {
  if (const char* text = std::getenv("SEG_CUDA_EMULATOR_SEED")) {
    seed = std::strtoull(text, nullptr, 10);
  }
}

uint16_t Machine::Pattern() const {
  const uint16_t sign = seed % 2 == 0 ? 0 : 0x8000;
  return static_cast<uint16_t>(0x7ff1 + seed % 14) | sign;
}

std::string Machine::Describe(const Thread& thread) const {
  return Format("block %s, thread %s", ToString(thread.block->index).c_str(),
                ToString(thread.index).c_str());
}

void Machine::FailOutside(cudaError_t error, const std::string& message,
                          const Thread* thread) {
  if (failed()) return;
  failure_ = error;
  last_message = FunctionName(request_->kernel) + ": ";
  if (thread != nullptr) last_message += Describe(*thread) + ": ";
  last_message += message;
}

void Machine::Fail(cudaError_t error, const std::string& message) {
  Thread* const thread = current_;
  FailOutside(error, message, thread);
  thread->fiber.SwitchOut(true);
  std::abort();  // the scheduler does not come back
}

void Trap(const char* message) {
  Machine::Get().Fail(cudaErrorLaunchFailure, message);
}

void Machine::MakeReady(Thread* thread) {
  thread->state = ThreadState::kReady;
  ready_.push_back(thread);
}

void Machine::MaybeYield() {
  if (++yields_ > kMaxYields) {
    Fail(cudaErrorLaunchTimeout,
         "threads go on with atomic operations and none comes to an end: a "
         "loop waits for a thread of a block that is not running");
  }
  // A loop that waits for another thread must let it run in every schedule.
  if (seed == 1 && yields_ % 8 != 0) return;
  if (seed > 1 && Random() % 4 != 0) return;
  Thread* const thread = current_;
  if (seed == 1) {
    ready_.push_front(thread);
  } else {
    ready_.push_back(thread);
  }
  thread->fiber.SwitchOut(false);
}

// Vigna's xorshift64*, whose state is never 0.
uint64_t Machine::Random() {
  random_ ^= random_ >> 12;
  random_ ^= random_ << 25;
  random_ ^= random_ >> 27;
  return random_ * 0x2545f4914f6cdd1d >> 32;
}

Thread* Machine::TakeNext() {
  if (seed > 1) std::swap(ready_[Random() % ready_.size()], ready_.back());
  Thread* const next = seed == 0 ? ready_.front() : ready_.back();
  if (seed == 0) {
    ready_.pop_front();
  } else {
    ready_.pop_back();
  }
  return next;
}

void Machine::SetBuiltins(const Thread& thread) {
  threadIdx = thread.index;
  blockIdx = thread.block->index;
}

void Machine::RunThread() {
  Machine& machine = Get();
  machine.request_->call(machine.request_->context);
  Thread* const thread = machine.current_;
  FinishCopies(thread, thread->group + 1);
  thread->state = ThreadState::kEnded;
  ++thread->block->ended;
  thread->warp()->ended |= thread->bit();
  machine.CountProgress();
  OnThreadEnd(thread);
  thread->fiber.SwitchOut(true);
}

void Machine::StartBlock(Block* block, int64_t number, int rank) {
  block->number = number;
  block->index = Unravel(number, request_->grid);
  block->rank = rank;
  block->ended = block->at_barrier = block->barrier_result = 0;
  block->seen.clear();
  block->fenced = false;
  block->entered_by_others = -1;
  block->threads.clear();
  block->warps.assign((threads_a_block_ + kLanes - 1) / kLanes, Warp{});
  StartSharedMemory(block);
  for (int64_t i = 0; i < threads_a_block_; ++i) {
    const size_t place = rank * threads_a_block_ + i;
    if (place == threads_.size()) threads_.emplace_back(new Thread);
    Thread* const thread = threads_[place].get();
    thread->block = block;
    thread->index = Unravel(i, request_->block);
    thread->number = static_cast<int>(i);
    thread->clock = 1;
    thread->block_clock = thread->cluster_clock = 0;
    std::fill_n(thread->warp_clocks, kLanes, 0);
    thread->copies.clear();
    thread->group = 0;
    thread->fiber.Start(&Machine::RunThread);
    block->threads.push_back(thread);
    thread->warp()->lanes[thread->lane()] = thread;
    thread->warp()->there |= thread->bit();
    MakeReady(thread);
  }
}

void Machine::RunCluster(int64_t first_block) {
  ready_.clear();
  at_cluster_ = 0;
  cluster_barriers_ = 0;
  yields_ = 0;
  // Along x, which runs fastest in a block's number.
  for (int rank = 0; rank < request_->cluster; ++rank) {
    if (static_cast<size_t>(rank) == blocks_.size()) {
      blocks_.emplace_back(new Block);
    }
    StartBlock(blocks_[rank].get(), first_block + rank, rank);
  }
  while (!failed()) {
    if (ready_.empty()) {
      int64_t ended = 0;
      for (const auto& block : blocks_) ended += block->ended;
      if (ended == threads_a_block_ * request_->cluster) break;
      const Thread* first = nullptr;
      const std::string message = DescribeDeadlock(&first);
      FailOutside(cudaErrorLaunchFailure, message, first);
      break;
    }
    current_ = TakeNext();
    SetBuiltins(*current_);
    current_->fiber.SwitchIn();
    current_ = nullptr;
  }
  for (const auto& block : blocks_) EndSharedMemory(block.get());
}

cudaError_t Machine::CheckLimits(const LaunchRequest& request) {
  const dim3 block = request.block, grid = request.grid;
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  const auto refuse = [&](cudaError_t error, const std::string& message) {
    last_message = FunctionName(request.kernel) + ": " + message;
    return error;
  };
  if (threads == 0 || threads > 1024 || block.z > 64) {
    return refuse(cudaErrorInvalidConfiguration,
                  Format("a block of %s threads; 1 to 1024 are allowed, and 64 "
                         "along z",
                         ToString(block).c_str()));
  }
  if (grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) {
    return refuse(cudaErrorInvalidConfiguration,
                  Format("a grid of %s blocks; (2^31 - 1, 65535, 65535) are "
                         "allowed",
                         ToString(grid).c_str()));
  }
  if (request.shared_bytes > kMaxSharedBytes) {
    return refuse(cudaErrorInvalidValue,
                  Format("%zu bytes of dynamic shared memory; %zu are allowed",
                         request.shared_bytes, kMaxSharedBytes));
  }
  if (request.cluster < 1 || request.cluster > 16 ||
      grid.x % request.cluster != 0) {
    return refuse(cudaErrorInvalidClusterSize,
                  Format("clusters of %d of %u blocks along x; 1 to 16 are "
                         "allowed, a divisor",
                         request.cluster, grid.x));
  }
  return cudaSuccess;
}

cudaError_t Machine::Run(const LaunchRequest& request) {
  static std::mutex* const mutex = new std::mutex;
  if (current_ != nullptr) {
    Fail(cudaErrorNotSupported, "a kernel launches a kernel");
  }
  std::lock_guard<std::mutex> lock(*mutex);
  if (sticky != cudaSuccess) return sticky;
  const dim3 grid = request.grid;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return cudaSuccess;
  const cudaError_t refused = CheckLimits(request);
  if (refused != cudaSuccess) return refused;

  request_ = &request;
  ++launch_number_;
  failure_ = cudaSuccess;
  random_ = seed * 0x9e3779b97f4a7c15 + 1;
  threads_a_block_ =
      int64_t{request.block.x} * request.block.y * request.block.z;
  blockDim = request.block;
  gridDim = grid;
  blocks_.resize(std::min<size_t>(blocks_.size(), request.cluster));
  StartAccesses();
  const int64_t clusters = int64_t{grid.x} * grid.y * grid.z / request.cluster;
  std::vector<int64_t> order(clusters);
  std::iota(order.begin(), order.end(), 0);
  if (seed == 1) std::reverse(order.begin(), order.end());
  for (int64_t i = clusters; seed > 1 && i > 1; --i) {
    std::swap(order[i - 1], order[Random() % i]);
  }
  for (const int64_t cluster : order) {
    RunCluster(cluster * request.cluster);
    if (failed()) break;
  }
  request_ = nullptr;
  sticky = failure_;
  return failure_;
}

cudaError_t Run(const LaunchRequest& request) {
  return Machine::Get().Run(request);
}

int LaneId() { return Machine::Get().current()->lane(); }

void ThreadFence() { Machine::Get().current()->block->fenced = true; }

void Yield() { Machine::Get().MaybeYield(); }

}  // namespace seg::cuda::emulator
