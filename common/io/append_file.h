// A file that grows by whole records: each is in it entirely or not at all.
#ifndef SEGPAPERS_COMMON_IO_APPEND_FILE_H_
#define SEGPAPERS_COMMON_IO_APPEND_FILE_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace seg {

class AppendFile {
 public:
  // Opens `path` for appending, creating it when absent. With `must_be_new` an
  // existing file is an error.
  static absl::StatusOr<std::unique_ptr<AppendFile>> Open(
      const std::string& path, bool must_be_new);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // Adds `record`, visible to readers on return. On an error (a full disk) the
  // file is cut back to where it was. Thread safe.
  absl::Status Append(const std::string& record);

  // Cuts the file to its first `size` bytes.
  absl::Status Truncate(int64_t size);

  // To disk: what was appended survives a power cut.
  absl::Status Sync();

  const std::string& path() const { return path_; }
  int64_t size() const { return size_; }

 private:
  AppendFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  const std::string path_;
  const int fd_;
  std::mutex mutex_;
  int64_t size_ = 0;  // end of the last whole record
};

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_APPEND_FILE_H_
