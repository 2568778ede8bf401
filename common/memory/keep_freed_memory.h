// Moved to common/base/keep_freed_memory.h.
#ifndef COMMON_MEMORY_KEEP_FREED_MEMORY_H_
#define COMMON_MEMORY_KEEP_FREED_MEMORY_H_

#include "common/base/keep_freed_memory.h"  // IWYU pragma: export

#endif  // COMMON_MEMORY_KEEP_FREED_MEMORY_H_
