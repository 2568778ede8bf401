#include "common/testing/cuda_emulator/accesses.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <unordered_map>

#include "common/testing/cuda_emulator/arena.h"
#include "common/testing/cuda_emulator/emulator.h"
#include "common/testing/cuda_emulator/machine.h"
#include "common/testing/cuda_emulator/source_line.h"

namespace seg::cuda::emulator {
namespace {

#ifdef SEG_CUDA_EMULATOR_SEES_ACCESSES
constexpr bool kSeesAccesses = true;
#else
constexpr bool kSeesAccesses = false;
#endif

// One access that later ones are compared with.
struct Record {
  uint32_t thread;  // 1 + its number in the grid; 0: no access
  uint32_t clock;   // its time
  const void* caller;
  uint8_t bytes;  // of the word: one bit each
  bool relaxed;   // atomic or volatile
};

// What is known of four bytes.
struct Word {
  Record write;
  Record reads[2];  // the newest of one thread, and of another before it
  uint8_t valid;    // bytes that may be touched
  uint8_t written;  // and that hold something (shared memory)
  uint8_t pending;  // and to which a copy is under way
};

constexpr uintptr_t kWordsAPage = 1024;

struct Page {
  uint32_t launch = 0;
  Word words[kWordsAPage];
};

std::unordered_map<uintptr_t, std::unique_ptr<Page>>& Pages() {
  static auto* const pages =
      new std::unordered_map<uintptr_t, std::unique_ptr<Page>>;
  return *pages;
}

std::map<uintptr_t, size_t>& Guards() {
  static auto* const guards = new std::map<uintptr_t, size_t>;
  return *guards;
}

// For atomic words: blocks that told something there.
std::unordered_map<uintptr_t, std::set<int64_t>>& Told() {
  static auto* const told =
      new std::unordered_map<uintptr_t, std::set<int64_t>>;
  return *told;
}

Word* SharedWords() {
  static Word* const words = [] {
    void* const mapped =
        mmap(nullptr, kArenaBytes / 4 * sizeof(Word), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) {
      std::perror("CUDA emulator: no memory to follow accesses");
      std::abort();
    }
    return static_cast<Word*>(mapped);
  }();
  return words;
}

uint8_t BytesOfWord(uintptr_t word, uintptr_t start, uintptr_t end) {
  uint8_t bytes = 0;
  for (int i = 0; i < 4; ++i) {
    if (word * 4 + i >= start && word * 4 + i < end) bytes |= 1 << i;
  }
  return bytes;
}

void ResetPage(Page* page, uintptr_t first_word) {
  std::memset(page->words, 0, sizeof(page->words));
  for (Word& word : page->words) word.valid = 15;
  const uintptr_t start = first_word * 4;
  const uintptr_t end = start + kWordsAPage * 4;
  for (const auto& [guard, bytes] : Guards()) {
    if (guard >= end || guard + bytes <= start) continue;
    for (uintptr_t i = 0; i < kWordsAPage; ++i) {
      page->words[i].valid &=
          ~BytesOfWord(first_word + i, guard, guard + bytes);
    }
  }
}

Word* GlobalWord(uintptr_t word) {
  static Page* newest = nullptr;
  static uintptr_t newest_number = 0;
  const uintptr_t number = word / kWordsAPage;
  if (newest == nullptr || number != newest_number) {
    std::unique_ptr<Page>& page = Pages()[number];
    if (page == nullptr) page = std::make_unique<Page>();
    newest = page.get();
    newest_number = number;
  }
  const uint32_t launch = Machine::Get().launch_number();
  if (newest->launch != launch) {
    ResetPage(newest, number * kWordsAPage);
    newest->launch = launch;
  }
  return &newest->words[word % kWordsAPage];
}

struct Accessor {
  const Thread& thread;
  uint32_t number;
};

// Whether the thread that runs knows of what `record` says.
bool Knows(const Accessor& accessor, const Record& record) {
  if (record.thread == accessor.number) return true;
  Machine& machine = Machine::Get();
  const int64_t size = machine.ThreadsABlock();
  const int64_t block = (record.thread - 1) / size;
  const int64_t place = (record.thread - 1) % size;
  const Thread& thread = accessor.thread;
  if (block == thread.block->number) {
    const Thread& other = *thread.block->threads[place];
    return record.clock <= other.block_clock ||
           (place / kLanes == thread.number / kLanes &&
            record.clock <= thread.warp_clocks[place % kLanes]);
  }
  for (const auto& neighbor : machine.blocks()) {
    if (neighbor->number == block) {
      if (record.clock <= neighbor->threads[place]->cluster_clock) return true;
    }
  }
  return thread.block->seen.count(block) > 0;
}

const char* Verb(Access access) {
  switch (access) {
    case Access::kRead:
    case Access::kVolatileRead:
      return "reads";
    case Access::kAtomic:
      return "has an atomic operation on";
    case Access::kIssueCopy:
    case Access::kFinishCopy:
      return "copies to";
    default:
      return "writes";
  }
}

std::string PlaceName(uintptr_t address) {
  const void* const place = reinterpret_cast<const void*>(address);
  const Block* const owner = SharedOwner(place);
  if (owner == nullptr) {
    return Format("global memory at 0x%llx",
                  static_cast<unsigned long long>(address));
  }
  const SharedArray* const array = FindArray(*owner, place);
  if (array == nullptr) return "shared memory far from any array";
  return Format(
      "byte %lld of `%s` (%zu bytes of shared memory)",
      static_cast<long long>(static_cast<const char*>(place) - owner->shared) -
          static_cast<long long>(array->offset),
      array->name.c_str(), array->bytes);
}

[[noreturn]] void FailAccess(cudaError_t error, Access access,
                             uintptr_t address, const void* caller,
                             const std::string& reason) {
  Machine::Get().Fail(error, CallerLine(caller) + " " + Verb(access) + " " +
                                 PlaceName(address) + reason);
}

[[noreturn]] void FailRace(const Record& other, const char* did, Access access,
                           uintptr_t address, const void* caller) {
  const int64_t size = Machine::Get().ThreadsABlock();
  const int64_t number = other.thread - 1;
  const dim3 block = Machine::Get().request().block;
  const unsigned place = static_cast<unsigned>(number % size);
  const uint3 index = {place % block.x, place / block.x % block.y,
                       place / block.x / block.y};
  FailAccess(
      cudaErrorLaunchFailure, access, address, caller,
      Format(", which thread %s of block %lld %s at %s, with no barrier "
             "between: a race",
             ToString(index).c_str(), static_cast<long long>(number / size),
             did, CallerLine(other.caller).c_str()));
}

void CheckShared(const Word& word, uint8_t bytes, Access access,
                 uintptr_t address, const void* caller, Block* owner) {
  Machine& machine = Machine::Get();
  if (owner != nullptr && owner != machine.current()->block) {
    if (machine.cluster_barriers() == 0) {
      FailAccess(cudaErrorIllegalAddress, access, address, caller,
                 " of another block before the first ClusterSync: that block "
                 "may not have started");
    }
    owner->entered_by_others = machine.cluster_barriers();
  }
  const bool reads = access == Access::kRead ||
                     access == Access::kVolatileRead ||
                     access == Access::kAtomic;
  if (reads && (word.pending & bytes) != 0) {
    FailAccess(cudaErrorLaunchFailure, access, address, caller,
               ", to which an asynchronous copy is under way: WaitForCopies "
               "is missing");
  }
  if (reads && (~word.written & bytes) != 0) {
    FailAccess(
        cudaErrorLaunchFailure, access, address, caller,
        ", which nobody has written: a barrier is missing, or the write");
  }
}

void CheckRaces(const Accessor& accessor, const Word& word, uint8_t bytes,
                bool reads, bool relaxed, Access access, uintptr_t address,
                const void* caller) {
  const Record& write = word.write;
  if (write.thread != 0 && (write.bytes & bytes) != 0 &&
      !(relaxed && write.relaxed) && !Knows(accessor, write)) {
    FailRace(write, write.relaxed ? "changed atomically" : "wrote", access,
             address, caller);
  }
  if (reads) return;
  for (const Record& read : word.reads) {
    if (read.thread != 0 && (read.bytes & bytes) != 0 &&
        !(relaxed && read.relaxed) && !Knows(accessor, read)) {
      FailRace(read, "read", access, address, caller);
    }
  }
}

void Remember(const Record& record, bool reads, Access access, Word* word) {
  if (reads) {
    if (word->reads[0].thread != record.thread) word->reads[1] = word->reads[0];
    word->reads[0] = record;
    return;
  }
  word->write = record;
  // Who is ordered after this write is ordered after them.
  for (Record& read : word->reads) {
    if ((read.bytes & ~record.bytes) == 0) read = {};
  }
  if (access == Access::kIssueCopy) {
    word->pending |= record.bytes;
  } else {
    word->pending &= ~record.bytes;
    word->written |= record.bytes;
  }
}

}  // namespace

bool SeesAccesses() { return kSeesAccesses; }

void StartAccesses() { Told().clear(); }

void OnAccess(const void* address, size_t bytes, Access access,
              const void* caller) {
  if (!kSeesAccesses) return;
  Machine& machine = Machine::Get();
  const Thread* const thread = machine.current();
  if (thread == nullptr || !machine.watched || thread->fiber.Holds(address))
    return;
  const bool reads = access == Access::kRead || access == Access::kVolatileRead;
  const bool relaxed = access == Access::kAtomic ||
                       access == Access::kVolatileRead ||
                       access == Access::kVolatileWrite;
  const Accessor accessor = {
      *thread, static_cast<uint32_t>(
                   1 + thread->block->number * machine.ThreadsABlock() +
                   thread->number)};
  const auto start = reinterpret_cast<uintptr_t>(address);
  const uintptr_t end = start + bytes;
  const auto arena = reinterpret_cast<uintptr_t>(Arena());
  const bool shared = start >= arena && start < arena + kArenaBytes;
  Block* const owner = shared ? SharedOwner(address) : nullptr;
  for (uintptr_t number = start / 4; number * 4 < end; ++number) {
    Word* const word =
        shared ? &SharedWords()[number - arena / 4] : GlobalWord(number);
    const uint8_t touched = BytesOfWord(number, start, end);
    if ((~word->valid & touched) != 0) {
      FailAccess(cudaErrorIllegalAddress, access, start, caller,
                 Format(", %zu bytes beside what it may touch", bytes));
    }
    if (shared) CheckShared(*word, touched, access, start, caller, owner);
    CheckRaces(accessor, *word, touched, reads, relaxed, access, start, caller);
    Remember({accessor.number, thread->clock, caller, touched, relaxed}, reads,
             access, word);
  }
}

void OnSynchronization(const void* address) {
  if (!kSeesAccesses) return;
  Block* const block = Machine::Get().current()->block;
  const auto place = reinterpret_cast<uintptr_t>(address);
  const auto found = Told().find(place);
  if (found != Told().end()) {
    block->seen.insert(found->second.begin(), found->second.end());
  }
  if (!block->fenced) return;
  std::set<int64_t>& told = Told()[place];
  told.insert(block->seen.begin(), block->seen.end());
  told.insert(block->number);
}

void AllowShared(const void* start, size_t bytes) {
  if (!kSeesAccesses) return;
  const uintptr_t first = static_cast<const char*>(start) - Arena();
  for (uintptr_t word = first / 4; word * 4 < first + bytes; ++word) {
    SharedWords()[word] = {};
    SharedWords()[word].valid = BytesOfWord(word, first, first + bytes);
  }
}

void ForbidShared(const void* start, size_t bytes) {
  if (!kSeesAccesses) return;
  const uintptr_t first = (static_cast<const char*>(start) - Arena()) / 4;
  std::memset(static_cast<void*>(&SharedWords()[first]), 0,
              (bytes / 4 + 1) * sizeof(Word));
}

void AddGuard(const void* start, size_t bytes) {
  Guards()[reinterpret_cast<uintptr_t>(start)] = bytes;
}

void RemoveGuard(const void* start) {
  Guards().erase(reinterpret_cast<uintptr_t>(start));
}

}  // namespace seg::cuda::emulator
