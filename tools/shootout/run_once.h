// Running a program unless it has run before.
#ifndef TOOLS_SHOOTOUT_RUN_ONCE_H_
#define TOOLS_SHOOTOUT_RUN_ONCE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/reproduce/subprocess.h"

namespace seg {

// A text that changes where a file below `path` (a folder, or a file) is
// written anew: names, sizes, times. Empty where there is nothing.
std::string Contents(const std::string& path);

// Runs `argv` unless OUTPUT.done says that the same command ended well before,
// on the same `input`; then that run's end is returned. What is at `output` (a
// file or a folder) goes first.
//   runfiles_dir: given to it as RUNFILES_DIR; may be empty
// Errors: kInvalidArgument where the program calls its usage wrong, kCancelled
// when interrupted, else what failed.
absl::StatusOr<ProcessEnd> RunOnce(const std::vector<std::string>& argv,
                                   const std::string& runfiles_dir,
                                   const std::string& output,
                                   const std::string& stdout_path,
                                   const std::string& input = "");

}  // namespace seg

#endif  // TOOLS_SHOOTOUT_RUN_ONCE_H_
