// Moved to common/io/strict_json.h.
#ifndef COMMON_REPRODUCTION_STRICT_JSON_H_
#define COMMON_REPRODUCTION_STRICT_JSON_H_

#include "common/io/strict_json.h"  // IWYU pragma: export

#endif  // COMMON_REPRODUCTION_STRICT_JSON_H_
