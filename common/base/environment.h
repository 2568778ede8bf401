// What a result was measured with: the processor and the commit.
#ifndef COMMON_BASE_ENVIRONMENT_H_
#define COMMON_BASE_ENVIRONMENT_H_

#include <string>

namespace seg {

// The processor's model name; "unknown" where the system does not say.
std::string CpuModel();

// The commit checked out in the git tree that holds `folder` (or one above it),
// read from its files, without git: also in a linked worktree, a submodule and
// where references are packed. "" where there is no tree or no commit.
std::string GitCommit(const std::string& folder);

}  // namespace seg

#endif  // COMMON_BASE_ENVIRONMENT_H_
