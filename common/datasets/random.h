// Moved to common/base/random.h.
#ifndef COMMON_DATASETS_RANDOM_H_
#define COMMON_DATASETS_RANDOM_H_

#include "common/base/random.h"  // IWYU pragma: export

#endif  // COMMON_DATASETS_RANDOM_H_
