// The emulator's inside: the threads of the cluster that runs, and who is next.
// Blocks run a cluster at a time, on one thread of the system.
#ifndef COMMON_TESTING_CUDA_EMULATOR_MACHINE_H_
#define COMMON_TESTING_CUDA_EMULATOR_MACHINE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/testing/cuda_emulator/fiber.h"
#include "common/testing/cuda_emulator/launch.h"
#include "common/testing/cuda_emulator/runtime_api.h"
#include "common/testing/cuda_emulator/vector_types.h"
#include "common/testing/cuda_emulator/warp.h"

namespace seg::cuda::emulator {

constexpr int kLanes = 32;
constexpr size_t kMaxSharedBytes = 227 << 10;  // sm_90
constexpr size_t kMaxStaticSharedBytes = 48 << 10;

struct Block;

struct Warp;

struct PendingCopy {
  void* to;
  const void* from;  // null: zeros
  int bytes;
  int64_t group;
  const void* caller;  // that issued it
};

enum class ThreadState { kReady, kAtBarrier, kAtCluster, kAtWarp, kEnded };

struct Thread {
  Fiber fiber;
  Block* block;
  uint3 index;
  int number;  // in the block

  ThreadState state;
  // What it waits for.
  Site site;
  BarrierKind barrier;
  bool predicate;
  WarpOperation operation;
  unsigned mask;
  uint64_t value;
  int source;
  uint64_t result;

  // Time, for races: `clock` counts this thread's synchronisations. What it did
  // until `block_clock` all of its block have seen, until `cluster_clock` all
  // of its cluster, until other.warp_clocks[lane] the thread `other`.
  uint32_t clock, block_clock, cluster_clock;
  uint32_t warp_clocks[kLanes];

  std::deque<PendingCopy> copies;
  int64_t group;  // that the next copy joins

  int lane() const { return number % kLanes; }
  unsigned bit() const { return 1u << lane(); }
  Warp* warp() const;
};

// Bits are lanes.
struct Warp {
  Thread* lanes[kLanes];
  unsigned there;    // the others have no thread
  unsigned waiting;  // at a warp's operation
  unsigned ended;
};

struct SharedArray {
  const void* key;  // null: the dynamic one
  std::string name;
  size_t offset, bytes;
};

struct Block {
  uint3 index;
  int64_t number;  // in the grid
  int rank;        // in the cluster
  std::vector<Thread*> threads;
  std::vector<Warp> warps;
  int ended, at_barrier;
  const Thread* first_at_barrier;
  int barrier_result;

  char* shared;  // this block's part of the arena
  size_t shared_used, static_bytes;
  std::vector<SharedArray> arrays;

  // What it has heard of by atomics: blocks whose writes it may read.
  std::set<int64_t> seen;
  bool fenced;
  int64_t entered_by_others;  // cluster barriers done at the last such access
};

inline Warp* Thread::warp() const { return &block->warps[number / kLanes]; }

class Machine {
 public:
  static Machine& Get();

  // The thread that runs; null outside of kernels.
  Thread* current() const { return current_; }

  cudaError_t Run(const LaunchRequest& request);

  // Of the thread that runs. The message gets kernel, block and thread; the
  // launch returns `error`.
  [[noreturn]] void Fail(cudaError_t error, const std::string& message);
  // The same outside of a thread: the scheduler stops.
  void FailOutside(cudaError_t error, const std::string& message,
                   const Thread* thread);

  // Lets the scheduler go on; returns when the state is kReady again and the
  // scheduler comes to it.
  void Wait() { current_->fiber.SwitchOut(false); }
  void MakeReady(Thread* thread);
  // Lets others run first, now and then. A loop that does nothing else is
  // ended after a while.
  void MaybeYield();
  void CountProgress() { yields_ = 0; }

  int64_t ThreadsABlock() const { return threads_a_block_; }
  const LaunchRequest& request() const { return *request_; }
  std::vector<std::unique_ptr<Block>>& blocks() { return blocks_; }
  int64_t cluster_barriers() const { return cluster_barriers_; }
  int* at_cluster() { return &at_cluster_; }
  void CountClusterBarrier() { ++cluster_barriers_; }
  uint32_t launch_number() const { return launch_number_; }

  // 16 bits: NaN in the upper half of a float or double.
  uint16_t Pattern() const;
  bool failed() const { return failure_ != cudaSuccess; }

  uint64_t seed = 0;
  bool watched = true;  // accesses
  cudaError_t sticky = cudaSuccess;
  std::string last_message;

 private:
  Machine();
  static void RunThread();
  cudaError_t CheckLimits(const LaunchRequest& request);
  void RunCluster(int64_t first_block);
  void StartBlock(Block* block, int64_t number, int rank);
  Thread* TakeNext();
  uint64_t Random();
  void SetBuiltins(const Thread& thread);
  std::string Describe(const Thread& thread) const;

  const LaunchRequest* request_ = nullptr;
  int64_t threads_a_block_ = 0;
  std::vector<std::unique_ptr<Thread>> threads_;  // kept for the next launch
  std::vector<std::unique_ptr<Block>> blocks_;    // of the cluster
  std::deque<Thread*> ready_;
  Thread* current_ = nullptr;
  uint64_t random_ = 0;
  int at_cluster_ = 0;
  int64_t cluster_barriers_ = 0;
  int64_t yields_ = 0;
  uint32_t launch_number_ = 0;
  cudaError_t failure_ = cudaSuccess;
};

// collectives.cc. A thread of the block has ended: what waits for it fails, or
// is complete.
void OnThreadEnd(Thread* thread);
// Nobody can run: why.
std::string DescribeDeadlock(const Thread** first);

// shared_memory.cc
void StartSharedMemory(Block* block);
void EndSharedMemory(Block* block);
void FinishCopies(Thread* thread, int64_t end_group);
// The block whose shared memory holds `address`, or null.
Block* SharedOwner(const void* address);
const SharedArray* FindArray(const Block& block, const void* address);

std::string ToString(uint3 index);
std::string ToString(Site site);
std::string Format(const char* format, ...)
    __attribute__((format(printf, 1, 2)));

}  // namespace seg::cuda::emulator

#endif  // COMMON_TESTING_CUDA_EMULATOR_MACHINE_H_
