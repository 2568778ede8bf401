// Where and from what a number was measured: commit, machine, date.
#ifndef TOOLS_REPRODUCE_ENVIRONMENT_H_
#define TOOLS_REPRODUCE_ENVIRONMENT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/reproduction/results.h"

namespace seg {

struct TreeState {
  std::string commit;                // "unknown" where git does not know
  std::vector<std::string> changes;  // files that no commit holds
  bool dirty() const { return commit == "unknown" || !changes.empty(); }
};

// The state of the git tree around `folder`. Changes under `ignored` (paths
// that the measurement itself writes) do not count; files that git ignores
// neither. A folder that //tools:gpu_pack wrote has a file COMMIT in place of
// git: the commit, then a line of `git status --porcelain` for each change.
// `scratch` is a folder for temporary files.
absl::StatusOr<TreeState> ReadTreeState(const std::string& folder,
                                        const std::vector<std::string>& ignored,
                                        const std::string& scratch);

// The CPU's model name, the cores that this process may use, the names of the
// GPUs ("none", or "NVIDIA H100, NVIDIA H100").
absl::StatusOr<Hardware> ReadHardware(const std::string& scratch);

// Now, UTC: 2026-01-31T12:00:00Z.
std::string UtcNow();

}  // namespace seg

#endif  // TOOLS_REPRODUCE_ENVIRONMENT_H_
