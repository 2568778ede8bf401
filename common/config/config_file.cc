#include "common/config/config_file.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "common/io/file.h"

namespace seg {
namespace config_internal {

absl::StatusOr<std::string> ReadConfigText(const std::string& file) {
  constexpr size_t kMaxSize = 1 << 20;
  absl::StatusOr<std::string> text = ReadFilePrefix(file, kMaxSize + 1);
  if (!text.ok()) return UsageError(text.status());
  if (text->size() > kMaxSize) {
    return UsageError(absl::InvalidArgumentError(absl::StrCat(
        file, ": is larger than ", kMaxSize, " bytes; not a configuration?")));
  }
  return text;
}

}  // namespace config_internal
}  // namespace seg
