#include "common/base/without_exceptions.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <exception>
#include <new>
#include <string>

#include "absl/strings/match.h"

namespace seg {
namespace {

absl::Status NoMemory() {
  return absl::ResourceExhaustedError(
      "the memory does not suffice; give smaller images, fewer at a time, or a "
      "configuration that cuts them into tiles");
}

absl::Status Thrown(std::string line) {
  // LibTorch's CPU and CUDA allocators.
  if (absl::StrContains(line, "can't allocate memory") ||
      absl::StrContains(line, "out of memory")) {
    return NoMemory();
  }
  // LibTorch writes several lines.
  std::replace(line.begin(), line.end(), '\n', ' ');
  return absl::InternalError(line);
}

}  // namespace

absl::Status WithoutExceptions(const std::function<absl::Status()>& body) {
  try {
    return body();
  } catch (const c10::Error& e) {
    return Thrown(e.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return NoMemory();
  } catch (const std::exception& e) {
    return Thrown(e.what());
  }
}

}  // namespace seg
