// One program at a time in a folder that it writes to, and folders that are not
// removed while another program reads them.
#ifndef COMMON_IO_FOLDER_LOCK_H_
#define COMMON_IO_FOLDER_LOCK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace seg {

// Holds a folder until it is destroyed. The lock is the kernel's (flock on
// FOLDER/.lock), so it ends with the process however that ends: after a kill -9
// the file stays, and blocks nobody. A child of fork() shares the lock, a
// program started by exec does not.
class FolderLock {
 public:
  FolderLock() = default;  // holds nothing
  ~FolderLock();           // also removes FOLDER/.lock
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&& other) noexcept;

  // Locks `folder`, which exists. Does not wait: kAlreadyExists when another
  // program (or another FolderLock of this one) holds it; the message names
  // its process and `flag`, by which the user names another folder. A file
  // system without locks gives a warning and a lock that holds nothing.
  static absl::StatusOr<FolderLock> Take(const std::string& folder,
                                         const std::string& flag);

 private:
  FolderLock(std::string path, int fd);
  void Release();

  std::string path_;
  int fd_ = -1;
};

// Holds `folder` for reading as long as a copy of the result lives, against
// RemoveUnheldFolder by any process: a shared lock (flock) on the folder
// itself, so nothing is written into it. Null when the folder is not there or
// is being removed. What cannot be locked (a file system without locks, a
// folder that may not be listed) gives a result that holds nothing.
std::shared_ptr<const void> HoldFolder(const std::string& folder);

// Removes `folder` with all in it, unless somebody holds it.
void RemoveUnheldFolder(const std::string& folder);

}  // namespace seg

#endif  // COMMON_IO_FOLDER_LOCK_H_
