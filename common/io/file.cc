#include "common/io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace seg {
namespace {

// Owns a descriptor. Close() reports the error that a late write-back gives.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int Close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

int OpenRetrying(const char* path, int flags, mode_t mode = 0) {
  int fd;
  do {
    fd = ::open(path, flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string TemporaryName(const std::string& path) {
  static std::atomic<int64_t> counter{0};
  const size_t slash = path.find_last_of('/');
  const size_t name = slash == std::string::npos ? 0 : slash + 1;
  return absl::StrCat(path.substr(0, name), ".", path.substr(name), ".tmp-",
                      ::getpid(), "-", counter.fetch_add(1));
}

}  // namespace

int WriteAll(int fd, const std::string& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    if (n == 0) return ENOSPC;  // POSIX allows it for a full device
    done += static_cast<size_t>(n);
  }
  return 0;
}

absl::Status WithPath(const absl::Status& status, const std::string& path) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(path, ": ", status.message()));
}

absl::Status ErrnoStatus(int error, const std::string& path,
                         const std::string& what) {
  const std::string message = absl::StrCat(
      path, ": ", what, ": ", std::generic_category().message(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(message);
    case EISDIR:
      return absl::InvalidArgumentError(message);
    default:
      return absl::UnavailableError(message);
  }
}

absl::StatusOr<std::string> ReadFilePrefix(const std::string& path,
                                           int64_t max_bytes) {
  Descriptor file(OpenRetrying(path.c_str(), O_RDONLY));
  if (file.get() < 0) return ErrnoStatus(errno, path, "cannot open");
  struct stat info;
  if (::fstat(file.get(), &info) != 0) {
    return ErrnoStatus(errno, path, "cannot stat");
  }
  if (S_ISDIR(info.st_mode)) return ErrnoStatus(EISDIR, path, "cannot read");
  // The size is a hint only: a pipe has none and a file may grow or shrink.
  constexpr int64_t kChunk = int64_t{1} << 16;
  std::string bytes;
  int64_t capacity = std::min(
      max_bytes, std::max<int64_t>(S_ISREG(info.st_mode) ? info.st_size : 0,
                                   0) +
                     1);  // one more to see the end without growing
  int64_t size = 0;
  while (size < max_bytes) {
    if (size == capacity) {
      capacity = std::min(max_bytes, capacity + std::max(capacity, kChunk));
    }
    if (static_cast<int64_t>(bytes.size()) < capacity) bytes.resize(capacity);
    const ssize_t n =
        ::read(file.get(), &bytes[size], static_cast<size_t>(capacity - size));
    if (n < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, path, "cannot read");
    }
    if (n == 0) break;
    size += n;
  }
  bytes.resize(size);
  return bytes;
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  return ReadFilePrefix(path, std::numeric_limits<int64_t>::max());
}

std::string ExpandHome(const std::string& path) {
  if (path.empty() || path[0] != '~') return path;
  if (path.size() > 1 && path[1] != '/') return path;  // "~name"
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') return path;
  return home + path.substr(1);
}

absl::Status CheckNotUtf16(const std::string& bytes) {
  const bool marked = bytes.compare(0, 2, "\xFF\xFE") == 0 ||
                      bytes.compare(0, 2, "\xFE\xFF") == 0;
  // Without a mark: one of the first two bytes of any Latin text is zero.
  const bool zero =
      bytes.size() >= 2 && (bytes[0] == '\0') != (bytes[1] == '\0');
  if (!marked && !zero) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "is text in UTF-16, expected UTF-8; save it as UTF-8, or convert it: "
      "iconv -f UTF-16 -t UTF-8 OLD > NEW");
}

absl::Status SyncFolder(const std::string& path) {
  Descriptor folder(OpenRetrying(path.c_str(), O_RDONLY | O_DIRECTORY));
  if (folder.get() < 0) return ErrnoStatus(errno, path, "cannot open folder");
  // Some network file systems cannot sync a folder and say EINVAL.
  if (::fsync(folder.get()) != 0 && errno != EINVAL) {
    return ErrnoStatus(errno, path, "cannot sync folder");
  }
  return absl::OkStatus();
}

absl::Status WriteFileAtomically(const std::string& path,
                                 const std::string& bytes) {
  const std::string temporary = TemporaryName(path);
  Descriptor file(
      OpenRetrying(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666));
  if (file.get() < 0) return ErrnoStatus(errno, path, "cannot create");
  const char* what = "cannot write";
  int error = WriteAll(file.get(), bytes);
  if (error == 0 && ::fsync(file.get()) != 0) error = errno;
  if (error == 0 && file.Close() != 0) error = errno;
  if (error == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) {
    error = errno;
    what = "cannot rename into place";
  }
  if (error != 0) {
    ::unlink(temporary.c_str());
    return ErrnoStatus(error, path, what);
  }
  return SyncFolder(FolderOf(path));
}

}  // namespace seg
