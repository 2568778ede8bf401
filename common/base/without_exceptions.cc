#include "common/base/without_exceptions.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <exception>
#include <string>

#include "absl/strings/match.h"

namespace seg {
namespace {

absl::Status Thrown(std::string line) {
  if (SaysMemoryEnded(line)) {
    return absl::ResourceExhaustedError(
        "the memory does not suffice; give smaller images, fewer at a time, or "
        "a configuration that cuts them into tiles");
  }
  // LibTorch writes several lines.
  std::replace(line.begin(), line.end(), '\n', ' ');
  return absl::InternalError(line);
}

}  // namespace

bool SaysMemoryEnded(const std::string& what) {
  return absl::StrContains(what, "can't allocate memory") ||
         absl::StrContains(what, "out of memory") ||
         absl::StrContains(what, "std::bad_alloc");
}

absl::Status WithoutExceptions(const std::function<absl::Status()>& body) {
  try {
    return body();
  } catch (const c10::Error& e) {
    return Thrown(e.what_without_backtrace());
  } catch (const std::exception& e) {
    return Thrown(e.what());
  }
}

}  // namespace seg
