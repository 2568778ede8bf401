// Moved to common/io/strict_json.h and common/base/nearest.h.
#ifndef COMMON_REPRODUCTION_STRICT_JSON_H_
#define COMMON_REPRODUCTION_STRICT_JSON_H_

#include "common/base/nearest.h"    // IWYU pragma: export
#include "common/io/strict_json.h"  // IWYU pragma: export

#endif  // COMMON_REPRODUCTION_STRICT_JSON_H_
