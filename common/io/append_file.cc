#include "common/io/append_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/io/file.h"

namespace seg {

absl::StatusOr<std::unique_ptr<AppendFile>> AppendFile::Open(
    const std::string& path, bool must_be_new) {
  const int fd = ::open(
      path.c_str(),
      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (must_be_new ? O_EXCL : 0),
      0666);
  if (fd < 0) return ErrnoStatus(errno, path, "cannot open for appending");
  std::unique_ptr<AppendFile> file(new AppendFile(path, fd));
  file->size_ = ::lseek(fd, 0, SEEK_END);
  if (file->size_ < 0) return ErrnoStatus(errno, path, "cannot find the end");
  return file;
}

AppendFile::~AppendFile() { ::close(fd_); }

absl::Status AppendFile::Append(const std::string& record) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (const int error = WriteAll(fd_, record)) {
    const bool restored = ::ftruncate(fd_, size_) == 0;
    return ErrnoStatus(
        error, path_,
        restored ? "cannot append" : "cannot append, the end is torn");
  }
  size_ += static_cast<int64_t>(record.size());
  return absl::OkStatus();
}

absl::Status AppendFile::Truncate(int64_t size) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (::ftruncate(fd_, size) != 0) {
    return ErrnoStatus(errno, path_, "cannot truncate");
  }
  size_ = size;
  return absl::OkStatus();
}

absl::Status AppendFile::Sync() {
  if (::fdatasync(fd_) != 0) return ErrnoStatus(errno, path_, "cannot sync");
  return absl::OkStatus();
}

}  // namespace seg
