#include "common/datasets/id_check.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace seg {

std::string BadId(const std::string& id) {
  if (id.empty()) return "is empty";
  if (id.front() == '/') return "is an absolute path";
  for (const char c : id) {
    if (c == '\\') return "contains a backslash; separate folders by /";
    if (static_cast<unsigned char>(c) < 32) {
      return "contains a control character";
    }
  }
  for (size_t begin = 0; begin <= id.size();) {
    const size_t end = std::min(id.find('/', begin), id.size());
    const std::string part = id.substr(begin, end - begin);
    if (part.empty() || part == ".") return "has an empty or '.' folder";
    if (part == "..") return "contains '..', which leaves the folder";
    begin = end + 1;
  }
  return "";
}

absl::Status CheckId(const std::string& where, const std::string& id) {
  const std::string reason = BadId(id);
  if (reason.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": the ID '", id, "' ", reason));
}

}  // namespace seg
