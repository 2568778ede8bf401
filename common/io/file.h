// Whole-file reading and crash-safe writing.
//
// Errors are one line that begins with the path: "PATH: what: reason".
// Codes: NotFound (no such file), PermissionDenied, ResourceExhausted (disk,
// quota or file-size limit), InvalidArgument (a folder where a file is meant),
// Unavailable (any other error of the system).
#ifndef SEGPAPERS_COMMON_IO_FILE_H_
#define SEGPAPERS_COMMON_IO_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace seg {

// The whole content of `path`. Any kind of readable file, also a pipe.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// The first `max_bytes` of `path`, or all of it where it is shorter.
absl::StatusOr<std::string> ReadFilePrefix(const std::string& path,
                                           int64_t max_bytes);

// Replaces `path` by `bytes`, all or nothing: the bytes go to a temporary name
// in the same folder, are synced to disk, and take the name by rename(2); then
// the folder is synced. After a crash, a full disk or any other error `path`
// holds either its old content or the new one, whole; the temporary file is
// removed (a kill -9 may leave one behind, named ".NAME.tmp-PID-N").
// The folder must exist. A symbolic link at `path` is replaced, not followed.
absl::Status WriteFileAtomically(const std::string& path,
                                 const std::string& bytes);

// `path` with a leading "~" or "~/" replaced by the user's home folder ($HOME).
// A shell does this for a word of its own, but not in --data_root=~/data or
// data.pack=~/data, nor does anyone in a file. "./~" is a file of that name.
std::string ExpandHome(const std::string& path);

// InvalidArgument, with the remedy, for the bytes of a text in UTF-16 (what
// some editors on Windows call Unicode).
absl::Status CheckNotUtf16(const std::string& bytes);

// Syncs a folder, so that the names in it survive a power cut.
absl::Status SyncFolder(const std::string& path);

// `status` with "PATH: " before its message; OK stays OK. For parsers of bytes,
// which do not know where the bytes came from.
absl::Status WithPath(const absl::Status& status, const std::string& path);

// The status for an errno value: "PATH: what: strerror(error)".
absl::Status ErrnoStatus(int error, const std::string& path,
                         const std::string& what);

// Writes all of `bytes` to a descriptor: 0, or the errno of what stopped it.
int WriteAll(int fd, const std::string& bytes);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_FILE_H_
