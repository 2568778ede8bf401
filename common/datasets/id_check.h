// IDs of samples name files: one from a list must not leave its folder.
#ifndef COMMON_DATASETS_ID_CHECK_H_
#define COMMON_DATASETS_ID_CHECK_H_

#include <string>

#include "absl/status/status.h"

namespace seg {

// Why `id` may not name a file below a folder ("contains a backslash; ..."): it
// is empty, absolute, has an empty, "." or ".." folder, a backslash or a
// control character. Empty when it may.
std::string BadId(const std::string& id);

// InvalidArgument "WHERE: the ID '...' REASON" where BadId has a reason.
absl::Status CheckId(const std::string& where, const std::string& id);

}  // namespace seg

#endif  // COMMON_DATASETS_ID_CHECK_H_
