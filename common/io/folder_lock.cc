#include "common/io/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/io/file.h"

namespace seg {
namespace {

// Whether `path` still names the file that `fd` is open on: its holder removes
// the file at the end.
bool IsAt(int fd, const std::string& path) {
  struct stat open_file = {};
  struct stat named_file = {};
  return fstat(fd, &open_file) == 0 && stat(path.c_str(), &named_file) == 0 &&
         open_file.st_dev == named_file.st_dev &&
         open_file.st_ino == named_file.st_ino;
}

// "process 12 on HOST", as the holder of the lock wrote it.
std::string ReadHolder(int fd) {
  char text[256];
  const ssize_t size = pread(fd, text, sizeof(text), 0);
  return size > 0 ? std::string(text, static_cast<size_t>(size))
                  : "another program";
}

void WriteHolder(int fd) {
  char host[128] = "";
  gethostname(host, sizeof(host) - 1);
  // What it says is for people; the lock holds without it.
  if (ftruncate(fd, 0) == 0) {
    WriteAll(fd, absl::StrCat("process ", getpid(), " on ", host));
  }
}

// An open folder; closing it ends its lock.
class OpenFolder {
 public:
  explicit OpenFolder(const std::string& folder)
      : fd_(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}
  ~OpenFolder() {
    if (fd_ >= 0) close(fd_);
  }
  OpenFolder(const OpenFolder&) = delete;
  OpenFolder& operator=(const OpenFolder&) = delete;

  int fd() const { return fd_; }
  // False when another program has it in a way that `kind` excludes. Where
  // there are no locks, nobody has.
  bool Lock(int kind) const {
    int failed = 0;
    do {
      failed = flock(fd_, kind | LOCK_NB);
    } while (failed != 0 && errno == EINTR);
    return failed == 0 || errno != EWOULDBLOCK;
  }

 private:
  const int fd_;
};

}  // namespace

FolderLock::FolderLock(std::string path, int fd)
    : path_(std::move(path)), fd_(fd) {}

FolderLock::FolderLock(FolderLock&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  if (this == &other) return *this;
  Release();
  path_ = std::move(other.path_);
  fd_ = std::exchange(other.fd_, -1);
  return *this;
}

FolderLock::~FolderLock() { Release(); }

void FolderLock::Release() {
  if (fd_ < 0) return;
  unlink(path_.c_str());  // before the lock ends: the file is still ours
  close(fd_);
  fd_ = -1;
}

absl::StatusOr<FolderLock> FolderLock::Take(const std::string& folder,
                                            const std::string& flag) {
  const std::string path = folder + "/.lock";
  for (;;) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return ErrnoStatus(errno, path, "cannot be made");
    FolderLock lock(path, fd);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
      if (!IsAt(fd, path)) {
        // The holder before removed it. The path is free, or another's now.
        lock.fd_ = -1;
        close(fd);
        continue;
      }
      WriteHolder(fd);
      return lock;
    }
    const int error = errno;
    const std::string holder = ReadHolder(fd);
    lock.fd_ = -1;  // not ours to remove
    close(fd);
    if (error == EINTR) continue;
    if (error == EWOULDBLOCK) {
      return absl::AlreadyExistsError(
          absl::StrCat(folder, ": is in use by ", holder,
                       "; wait for its end, or name another ", flag));
    }
    if (error == ENOLCK || error == ENOSYS || error == EOPNOTSUPP) {
      LogWarning(absl::StrCat(
          path, ": this file system has no locks; start no second program in ",
          folder));
      return FolderLock();
    }
    return ErrnoStatus(error, path, "cannot be locked");
  }
}

std::shared_ptr<const void> HoldFolder(const std::string& folder) {
  auto held = std::make_shared<const OpenFolder>(folder);
  if (held->fd() < 0) {
    if (errno == ENOENT) return nullptr;
    return held;  // a folder that may be passed, but not listed
  }
  // Removed between the two calls, it is not at its path any more.
  if (!held->Lock(LOCK_SH) || !IsAt(held->fd(), folder)) return nullptr;
  return held;
}

void RemoveUnheldFolder(const std::string& folder) {
  const OpenFolder opened(folder);
  if (opened.fd() < 0 || !opened.Lock(LOCK_EX)) return;
  std::error_code error;
  std::filesystem::remove_all(folder, error);
}

}  // namespace seg
