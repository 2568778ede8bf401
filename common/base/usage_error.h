// Errors that are the user's own: a wrong flag, key or path. Programs answer
// them with exit code 2, all others with 1 (common/app/main.h).
#ifndef COMMON_BASE_USAGE_ERROR_H_
#define COMMON_BASE_USAGE_ERROR_H_

#include "absl/status/status.h"

namespace seg {

// Marks `status` as the user's; OK stays OK.
absl::Status UsageError(absl::Status status);

bool IsUsageError(const absl::Status& status);

}  // namespace seg

#endif  // COMMON_BASE_USAGE_ERROR_H_
