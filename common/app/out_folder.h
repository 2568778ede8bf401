// The folder that --out names.
#ifndef COMMON_APP_OUT_FOLDER_H_
#define COMMON_APP_OUT_FOLDER_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/io/folder_lock.h"

namespace seg {

// Makes the folder where it is missing, and keeps other programs out of it
// while the lock lives. Usage error when another one writes there.
absl::StatusOr<FolderLock> ClaimOut(const std::string& out);

}  // namespace seg

#endif  // COMMON_APP_OUT_FOLDER_H_
