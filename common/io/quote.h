// Text from a file inside an error message: one line, printable, not too long.
#ifndef SEGPAPERS_COMMON_IO_QUOTE_H_
#define SEGPAPERS_COMMON_IO_QUOTE_H_

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace seg {

// "name" in quotes; control characters escaped, cut after 100 bytes.
inline std::string Quote(absl::string_view name) {
  constexpr size_t kMaxSize = 100;
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(name.substr(0, kMaxSize)),
                      name.size() > kMaxSize ? "...\"" : "\"");
}

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_QUOTE_H_
