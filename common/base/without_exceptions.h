// Where Status meets code that throws: LibTorch and the standard library.
#ifndef COMMON_BASE_WITHOUT_EXCEPTIONS_H_
#define COMMON_BASE_WITHOUT_EXCEPTIONS_H_

#include <functional>
#include <string>

#include "absl/status/status.h"

namespace seg {

// What `body` returns; what it throws is an error of one line (kInternal).
// Where memory ended (kResourceExhausted) the line says what helps.
absl::Status WithoutExceptions(const std::function<absl::Status()>& body);

// Whether what was thrown says that memory ended: LibTorch's allocators of the
// CPU and of CUDA, and std::bad_alloc.
bool SaysMemoryEnded(const std::string& what);

}  // namespace seg

#endif  // COMMON_BASE_WITHOUT_EXCEPTIONS_H_
