#include "common/app/out_folder.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "common/base/usage_error.h"

namespace seg {

absl::StatusOr<FolderLock> ClaimOut(const std::string& out) {
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat(out, ": cannot be made: ", error.message()));
  }
  absl::StatusOr<FolderLock> lock = FolderLock::Take(out, "--out");
  if (absl::IsAlreadyExists(lock.status())) return UsageError(lock.status());
  return lock;
}

}  // namespace seg
