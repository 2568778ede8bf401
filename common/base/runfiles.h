// Files that travel with a Bazel target (its `data`).
#ifndef COMMON_BASE_RUNFILES_H_
#define COMMON_BASE_RUNFILES_H_

#include <string>

namespace seg {

// Absolute path of `path` ("crfgrad/configs/demo.yaml"; for a file of another
// repository `repository` is its name). Looks in TEST_SRCDIR, RUNFILES_DIR and
// the folder PROGRAM.runfiles beside the running program; where none of them
// exists, `path` itself. Does not check that the file exists.
std::string Runfile(const std::string& path,
                    const std::string& repository = "segpapers");

}  // namespace seg

#endif  // COMMON_BASE_RUNFILES_H_
