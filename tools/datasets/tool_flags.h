// The command line of the tools: Abseil flags, set one by one so that a
// wrong one is answered with exit code 2 (Abseil's own parser exits with 1).
#ifndef TOOLS_DATASETS_TOOL_FLAGS_H_
#define TOOLS_DATASETS_TOOL_FLAGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace seg {

constexpr int kExitDone = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitInterrupted = 130;

struct ToolArgs {
  bool help = false;                    // the help was asked for and printed
  std::vector<std::string> positional;  // what is no flag
};

// Sets the flags called `names` from --NAME=VALUE, --NAME VALUE and, when
// boolean, --NAME and --noNAME. "--" ends the flags. Prints `usage` and the
// flags to stdout on --help. Errors name the flag.
absl::StatusOr<ToolArgs> ParseToolFlags(int argc, char** argv,
                                        const std::vector<std::string>& names,
                                        const std::string& usage);

// Relative paths mean what the user sees: changes into the folder that
// `bazel run` was called in.
void EnterWorkingDirectory();

// `flag`, or the environment's SEG_DATA_ROOT when it is empty; "~/" is the
// user's home.
std::string DataRoot(const std::string& flag);

// What --seeds says: numbers >= 0 by commas; "" is none of them.
absl::StatusOr<std::vector<int64_t>> ParseSeeds(const std::string& flag);

// One line on stderr; returns `code`.
int Fail(int code, const absl::Status& status);

// The same with the code that the status means: usage for kInvalidArgument,
// interrupted for kCancelled, else failed.
int Fail(const absl::Status& status);

}  // namespace seg

#endif  // TOOLS_DATASETS_TOOL_FLAGS_H_
