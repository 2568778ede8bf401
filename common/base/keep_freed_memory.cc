#include "common/base/keep_freed_memory.h"

#include <cstdlib>  // defines __GLIBC__ where it applies

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace seg {

void KeepFreedMemory() {
#ifdef __GLIBC__
  // No block gets a mapping of its own, and the top of the heap is not given
  // back. (Raising M_MMAP_THRESHOLD does not do: its limit is 32 MB.)
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  // The heap grows in steps of this size.
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

}  // namespace seg
