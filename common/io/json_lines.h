// JSON lines (metrics.jsonl): one JSON object a line, appended as a run goes.
//
// A line is written by one write(2) and so is whole after a crash, but for the
// last one of a machine that lost power or a disk that ran full: the writer
// takes such a torn end back, the reader passes over it.
#ifndef SEGPAPERS_COMMON_IO_JSON_LINES_H_
#define SEGPAPERS_COMMON_IO_JSON_LINES_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/io/append_file.h"
#include "nlohmann/json_fwd.hpp"

namespace seg {

class JsonLinesWriter {
 public:
  // Appends to `path`, creating it when absent. A torn last line (no newline
  // and not a whole object) is cut off first, so that the next begins afresh.
  static absl::StatusOr<std::unique_ptr<JsonLinesWriter>> Open(
      const std::string& path);
  JsonLinesWriter(const JsonLinesWriter&) = delete;
  JsonLinesWriter& operator=(const JsonLinesWriter&) = delete;

  // Writes one object (anything else is refused) and its newline; it is with
  // the system, visible to readers, on return. NaN and infinities become null
  // (JSON has neither), bytes that are not UTF-8 become U+FFFD. On an error
  // the file is put back to its last whole line. Thread safe.
  absl::Status Append(const nlohmann::json& object);

  // To disk: after it the lines survive a power cut.
  absl::Status Sync();

 private:
  explicit JsonLinesWriter(std::unique_ptr<AppendFile> file)
      : file_(std::move(file)) {}

  const std::unique_ptr<AppendFile> file_;
};

// All lines, in order. Blank lines are skipped. A last line without a newline
// is dropped when it does not parse; any other bad line is an error that gives
// its number.
absl::StatusOr<std::vector<nlohmann::json>> ReadJsonLines(
    const std::string& path);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_JSON_LINES_H_
