// The project's log: one line a call, to stderr and, once set, to a file.
//
// stdout is never written: it belongs to results. Bytes that are no text are
// escaped (printable.h). (LibTorch defines LOG and
// CHECK macros of its own, so neither glog nor absl/log can live beside it.)
#ifndef COMMON_BASE_LOG_H_
#define COMMON_BASE_LOG_H_

#include <string>

#include "absl/status/status.h"

namespace seg {

void LogInfo(const std::string& message);
void LogWarning(const std::string& message);  // prefixed "warning: "

// Appends every later line to `path` too; an empty path closes the file.
absl::Status SetLogFile(const std::string& path);

// A line that the next one replaces when stderr is a terminal. Into a file or
// a pipe nothing is written unless `keep`, which makes it an ordinary line.
void LogProgress(const std::string& line, bool keep);

}  // namespace seg

#endif  // COMMON_BASE_LOG_H_
