#include "common/base/keep_freed_memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <cstring>

namespace seg {
namespace {

long MinorFaults() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

// Page faults of allocating, writing and freeing one block.
long FaultsOfOneBlock(size_t bytes) {
  const long before = MinorFaults();
  void* block = std::malloc(bytes);
  std::memset(block, 1, bytes);
  asm volatile(""
               :
               : "r"(block)
               : "memory");  // else all of it is optimised out
  std::free(block);
  return MinorFaults() - before;
}

TEST(KeepFreedMemoryTest, ALargeBlockIsReusedWithoutPageFaults) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    !defined(__GLIBC__)
  GTEST_SKIP() << "malloc is not glibc's";
#else
  constexpr size_t kBytes = 96 << 20;  // 24576 pages of 4 kB
  // As it is by default: every time anew (48 faults even with 2 MB pages).
  FaultsOfOneBlock(kBytes);
  EXPECT_GE(FaultsOfOneBlock(kBytes), 40);
  KeepFreedMemory();
  FaultsOfOneBlock(kBytes);
  EXPECT_LT(FaultsOfOneBlock(kBytes), 40);
#endif
}

}  // namespace
}  // namespace seg
