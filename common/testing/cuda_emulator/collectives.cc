// Barriers of a block and of a cluster, and what the lanes of a warp do
// together.
#include <algorithm>
#include <cstring>

#include "common/testing/cuda_emulator/machine.h"
#include "common/testing/cuda_emulator/shared_memory.h"

namespace seg::cuda::emulator {
namespace {

const char* Name(BarrierKind kind) {
  switch (kind) {
    case BarrierKind::kPlain:
      return "__syncthreads";
    case BarrierKind::kCount:
      return "__syncthreads_count";
    case BarrierKind::kAnd:
      return "__syncthreads_and";
    case BarrierKind::kOr:
      return "__syncthreads_or";
  }
  return "";
}

const char* Name(WarpOperation operation) {
  switch (operation) {
    case WarpOperation::kSync:
      return "__syncwarp";
    case WarpOperation::kShuffle:
      return "a shuffle";
    case WarpOperation::kBallot:
      return "__ballot_sync";
    case WarpOperation::kAny:
      return "__any_sync";
    case WarpOperation::kAll:
      return "__all_sync";
    case WarpOperation::kMatchAny:
      return "__match_any_sync";
    default:
      return "a __reduce_*_sync";
  }
}

std::string Doing(const Thread& thread) {
  const std::string site = ToString(thread.site);
  switch (thread.state) {
    case ThreadState::kReady:
      return "goes on";
    case ThreadState::kAtBarrier:
      return Format("waits at %s (%s)", Name(thread.barrier), site.c_str());
    case ThreadState::kAtCluster:
      return Format("waits at ClusterSync (%s)", site.c_str());
    case ThreadState::kAtWarp:
      return Format("waits at %s with mask 0x%08x (%s)", Name(thread.operation),
                    thread.mask, site.c_str());
    case ThreadState::kEnded:
      return "has returned";
  }
  return "";
}

std::string Named(const Thread& thread) {
  return "thread " + ToString(thread.index) + " " + Doing(thread);
}

bool SameSite(Site a, Site b) {
  return a.line == b.line && std::strcmp(a.file, b.file) == 0;
}

const Thread* FindEnded(const Block& block) {
  if (block.ended == 0) return nullptr;
  for (const Thread* thread : block.threads) {
    if (thread->state == ThreadState::kEnded) return thread;
  }
  return nullptr;
}

void ReleaseBlock(Block* block) {
  block->at_barrier = 0;
  int count = 0;
  for (const Thread* thread : block->threads) count += thread->predicate;
  const int size = static_cast<int>(block->threads.size());
  for (Thread* thread : block->threads) {
    switch (thread->barrier) {
      case BarrierKind::kPlain:
      case BarrierKind::kCount:
        thread->result = count;
        break;
      case BarrierKind::kAnd:
        thread->result = count == size;
        break;
      case BarrierKind::kOr:
        thread->result = count > 0;
        break;
    }
    thread->block_clock = thread->clock++;
    Machine::Get().MakeReady(thread);
  }
  Machine::Get().CountProgress();
}

uint64_t Reduce(WarpOperation operation, uint64_t a, uint64_t b) {
  switch (operation) {
    case WarpOperation::kBallot:
    case WarpOperation::kAny:
    case WarpOperation::kOr:
      return a | b;
    case WarpOperation::kAll:
    case WarpOperation::kAnd:
      return a & b;
    case WarpOperation::kAdd:
      return a + b;
    case WarpOperation::kXor:
      return a ^ b;
    case WarpOperation::kMin:
      return std::min(a, b);
    case WarpOperation::kMax:
      return std::max(a, b);
    case WarpOperation::kMinSigned:
      return std::min(static_cast<int64_t>(a), static_cast<int64_t>(b));
    case WarpOperation::kMaxSigned:
      return std::max(static_cast<int64_t>(a), static_cast<int64_t>(b));
    default:
      return 0;
  }
}

// Of the lanes of `mask`, all of which have come: results, and what __syncwarp
// lets them know.
void CompleteWarp(WarpOperation operation, unsigned mask, Warp* warp) {
  Thread* lanes[kLanes];
  int count = 0;
  for (unsigned left = mask; left != 0; left &= left - 1) {
    lanes[count++] = warp->lanes[__builtin_ctz(left)];
  }
  Thread** const end = lanes + count;
  if (operation == WarpOperation::kShuffle) {
    for (Thread** lane = lanes; lane != end; ++lane) {
      (*lane)->result = warp->lanes[(*lane)->source]->value;
    }
  } else if (operation == WarpOperation::kMatchAny) {
    for (Thread** lane = lanes; lane != end; ++lane) {
      (*lane)->result = 0;
      for (Thread** other = lanes; other != end; ++other) {
        if ((*other)->value == (*lane)->value) {
          (*lane)->result |= (*other)->bit();
        }
      }
    }
  } else if (operation == WarpOperation::kSync) {
    uint32_t known[kLanes] = {};
    for (Thread** lane = lanes; lane != end; ++lane) {
      for (int i = 0; i < kLanes; ++i) {
        known[i] = std::max(known[i], (*lane)->warp_clocks[i]);
      }
    }
    for (Thread** lane = lanes; lane != end; ++lane) {
      known[(*lane)->lane()] = (*lane)->clock++;
    }
    for (Thread** lane = lanes; lane != end; ++lane) {
      std::copy_n(known, kLanes, (*lane)->warp_clocks);
    }
  } else {
    const bool ballot = operation == WarpOperation::kBallot;
    const auto value = [ballot](const Thread* lane) {
      return ballot ? lane->value << lane->lane() : lane->value;
    };
    uint64_t result = value(lanes[0]);
    for (int i = 1; i < count; ++i) {
      result = Reduce(operation, result, value(lanes[i]));
    }
    for (Thread** lane = lanes; lane != end; ++lane) (*lane)->result = result;
  }
  warp->waiting &= ~mask;
  for (Thread** lane = lanes; lane != end; ++lane) {
    Machine::Get().MakeReady(*lane);
  }
  Machine::Get().CountProgress();
}

// Completes what `thread` waits for in its warp if everybody is there. Lanes
// that have ended are not waited for, but by a shuffle.
void TryCompleteWarp(Thread* thread) {
  Warp* const warp = thread->warp();
  unsigned needed = thread->mask & warp->there;
  if ((needed & ~(warp->waiting | warp->ended)) != 0) return;
  const unsigned ended = needed & warp->ended;
  if (ended != 0 && thread->operation == WarpOperation::kShuffle) {
    Machine::Get().Fail(
        cudaErrorLaunchFailure,
        "lanes of a shuffle's mask do not arrive: " + Named(*thread) + ", " +
            Named(*warp->lanes[__builtin_ctz(ended)]));
  }
  needed &= ~ended;
  for (unsigned left = needed; left != 0; left &= left - 1) {
    const Thread& other = *warp->lanes[__builtin_ctz(left)];
    if (other.mask != thread->mask || other.operation != thread->operation) {
      return;
    }
  }
  CompleteWarp(thread->operation, needed, warp);
}

}  // namespace

int BlockBarrier(BarrierKind kind, bool predicate, Site site) {
  Machine& machine = Machine::Get();
  Thread* const thread = machine.current();
  Block* const block = thread->block;
  thread->barrier = kind;
  thread->predicate = predicate;
  thread->site = site;
  thread->state = ThreadState::kAtBarrier;
  const Thread* other = block->first_at_barrier;
  if (block->at_barrier == 0) {
    other = nullptr;
    block->first_at_barrier = thread;
  }
  if (other == nullptr ||
      (SameSite(other->site, site) && other->barrier == kind)) {
    other = FindEnded(*block);
  }
  if (other != nullptr) {
    machine.Fail(cudaErrorLaunchFailure,
                 "the block diverges at a barrier: " + Named(*thread) + ", " +
                     Named(*other));
  }
  if (++block->at_barrier == static_cast<int>(block->threads.size())) {
    ReleaseBlock(block);
  }
  machine.Wait();
  return static_cast<int>(thread->result);
}

void ClusterBarrier(const char* file, int line) {
  Machine& machine = Machine::Get();
  Thread* const thread = machine.current();
  thread->site = {file, line};
  thread->state = ThreadState::kAtCluster;
  int64_t threads = 0;
  for (const auto& block : machine.blocks()) {
    threads += block->threads.size();
    if (const Thread* other = FindEnded(*block)) {
      machine.Fail(cudaErrorLaunchFailure,
                   "the cluster diverges at a barrier: " + Named(*thread) +
                       ", " + Named(*other) + " in block " +
                       ToString(block->index));
    }
  }
  if (++*machine.at_cluster() == threads) {
    *machine.at_cluster() = 0;
    machine.CountClusterBarrier();
    for (const auto& block : machine.blocks()) {
      for (Thread* other : block->threads) {
        other->cluster_clock = other->block_clock = other->clock++;
        machine.MakeReady(other);
      }
    }
    machine.CountProgress();
  }
  machine.Wait();
}

uint64_t WarpCollective(WarpOperation operation, unsigned mask, uint64_t value,
                        int source, Site site) {
  Machine& machine = Machine::Get();
  Thread* const thread = machine.current();
  thread->operation = operation;
  thread->mask = mask;
  thread->value = value;
  thread->source = source;
  thread->site = site;
  thread->state = ThreadState::kAtWarp;
  thread->warp()->waiting |= thread->bit();
  if ((mask >> thread->lane() & 1) == 0) {
    machine.Fail(cudaErrorLaunchFailure,
                 Format("lane %d is not in the mask: ", thread->lane()) +
                     Named(*thread));
  }
  if (operation == WarpOperation::kShuffle) {
    const bool there = (thread->warp()->there >> source & 1) != 0;
    if ((mask >> source & 1) == 0 || !there) {
      machine.Fail(
          cudaErrorLaunchFailure,
          Format("lane %d reads lane %d, which %s: ", thread->lane(), source,
                 there ? "is not in the mask" : "is not there") +
              Named(*thread));
    }
  }
  TryCompleteWarp(thread);
  machine.Wait();
  return thread->result;
}

void OnThreadEnd(Thread* thread) {
  Machine& machine = Machine::Get();
  Block* const block = thread->block;
  if (block->at_barrier > 0) {
    machine.Fail(cudaErrorLaunchFailure,
                 "the block diverges at a barrier: " + Named(*thread) + ", " +
                     Named(*block->first_at_barrier));
  }
  for (const auto& other_block : machine.blocks()) {
    if (*machine.at_cluster() == 0) break;
    for (const Thread* other : other_block->threads) {
      if (other->state == ThreadState::kAtCluster) {
        machine.Fail(cudaErrorLaunchFailure,
                     "the cluster diverges at a barrier: " + Named(*thread) +
                         ", " + Named(*other) + " in block " +
                         ToString(other_block->index));
      }
    }
  }
  for (Thread* other : thread->warp()->lanes) {
    if (other != nullptr && other->state == ThreadState::kAtWarp &&
        (other->mask & thread->bit()) != 0) {
      TryCompleteWarp(other);
    }
  }
  if (block->ended == static_cast<int>(block->threads.size()) &&
      block->entered_by_others == machine.cluster_barriers()) {
    machine.Fail(cudaErrorIllegalAddress,
                 "the block ends and others of the cluster may still use its "
                 "shared memory: ClusterSync is missing before the return");
  }
}

std::string DescribeDeadlock(const Thread** first) {
  const Thread* waiting = nullptr;
  const Thread* other_kind = nullptr;
  for (const auto& block : Machine::Get().blocks()) {
    for (const Thread* thread : block->threads) {
      if (thread->state == ThreadState::kEnded) continue;
      if (waiting == nullptr || (thread->state == ThreadState::kAtWarp &&
                                 waiting->state != ThreadState::kAtWarp)) {
        waiting = thread;
      }
    }
  }
  // Whom it waits for.
  if (waiting->state == ThreadState::kAtWarp) {
    for (const Thread* other : waiting->warp()->lanes) {
      if (other == nullptr || other_kind != nullptr ||
          (waiting->mask & other->bit()) == 0) {
        continue;
      }
      if (other->state != ThreadState::kAtWarp ||
          other->mask != waiting->mask ||
          other->operation != waiting->operation) {
        other_kind = other;
      }
    }
  } else {
    for (const auto& block : Machine::Get().blocks()) {
      for (const Thread* thread : block->threads) {
        if (thread->state != waiting->state && other_kind == nullptr) {
          other_kind = thread;
        }
      }
    }
  }
  *first = waiting;
  std::string message = waiting->state == ThreadState::kAtWarp
                            ? "lanes of a mask do not arrive: "
                            : "threads wait for each other: ";
  message += Named(*waiting);
  if (other_kind != nullptr) {
    message += ", " + Named(*other_kind);
    if (other_kind->block != waiting->block) {
      message += " in block " + ToString(other_kind->block->index);
    }
  }
  return message;
}

}  // namespace seg::cuda::emulator
