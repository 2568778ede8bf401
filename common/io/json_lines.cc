#include "common/io/json_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace {

// The text after the last newline of the file's first `size` bytes; false
// with errno set when it cannot be read.
bool ReadLastLine(int fd, int64_t size, std::string* tail) {
  constexpr int64_t kBlock = 4096;
  while (size > 0 && tail->find('\n') == std::string::npos) {
    const int64_t begin = std::max<int64_t>(size - kBlock, 0);
    std::string block(size - begin, '\0');
    const ssize_t n = ::pread(fd, &block[0], block.size(), begin);
    if (n < 0 && errno == EINTR) continue;
    if (n != size - begin) {
      if (n >= 0) errno = EIO;
      return false;
    }
    tail->insert(0, block);
    size = begin;
  }
  tail->erase(0, tail->rfind('\n') + 1);  // npos + 1 == 0
  return true;
}

// Writes all of `bytes`; 0 or an errno.
int WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : ENOSPC;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

bool ParseObject(absl::string_view line, nlohmann::json* object) {
  *object = nlohmann::json::parse(line.begin(), line.end(), nullptr,
                                  /*allow_exceptions=*/false);
  return object->is_object();
}

}  // namespace

absl::StatusOr<std::unique_ptr<JsonLinesWriter>> JsonLinesWriter::Open(
    const std::string& path) {
  const int fd =
      ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) return ErrnoStatus(errno, path, "cannot open for appending");
  std::unique_ptr<JsonLinesWriter> writer(new JsonLinesWriter(path, fd, 0));
  const int64_t size = ::lseek(fd, 0, SEEK_END);
  std::string tail;
  if (size < 0 || !ReadLastLine(fd, size, &tail)) {
    return ErrnoStatus(errno, path, "cannot read the last line");
  }
  writer->size_ = size;
  if (tail.empty()) return writer;
  nlohmann::json object;
  if (ParseObject(tail, &object)) {  // whole, only the newline is missing
    if (const int error = WriteAll(fd, "\n")) {
      return ErrnoStatus(error, path, "cannot append");
    }
    writer->size_ += 1;
    return writer;
  }
  writer->size_ -= static_cast<int64_t>(tail.size());
  if (::ftruncate(fd, writer->size_) != 0) {
    return ErrnoStatus(errno, path, "cannot cut off the torn last line");
  }
  return writer;
}

JsonLinesWriter::~JsonLinesWriter() { ::close(fd_); }

absl::Status JsonLinesWriter::Append(const nlohmann::json& object) {
  if (!object.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path_, ": a line must be a JSON object, got ", object.type_name()));
  }
  const std::string line =
      object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
      "\n";
  const std::lock_guard<std::mutex> lock(mutex_);
  if (const int error = WriteAll(fd_, line)) {
    // When this fails too, Open() and ReadJsonLines() cope with the rest.
    const bool restored = ::ftruncate(fd_, size_) == 0;
    return ErrnoStatus(
        error, path_,
        restored ? "cannot append" : "cannot append, last line is torn");
  }
  size_ += static_cast<int64_t>(line.size());
  return absl::OkStatus();
}

absl::Status JsonLinesWriter::Sync() {
  if (::fdatasync(fd_) != 0) return ErrnoStatus(errno, path_, "cannot sync");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<nlohmann::json>> ReadJsonLines(
    const std::string& path) {
  SEG_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  std::vector<nlohmann::json> lines;
  absl::string_view rest = bytes;
  for (int64_t number = 1; !rest.empty(); ++number) {
    const size_t end = rest.find('\n');
    const bool whole = end != absl::string_view::npos;
    const absl::string_view line = rest.substr(0, end);
    rest.remove_prefix(whole ? end + 1 : rest.size());
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    nlohmann::json value;
    if (!ParseObject(line, &value)) {
      if (!whole) break;
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": line ", number, " is not a JSON object"));
    }
    lines.push_back(std::move(value));
  }
  return lines;
}

}  // namespace seg
