// Running other programs, one at a time, with interruptions passed on.
#ifndef TOOLS_REPRODUCE_SUBPROCESS_H_
#define TOOLS_REPRODUCE_SUBPROCESS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/interrupt.h"

namespace seg {

struct Process {
  std::vector<std::string> argv;  // argv[0] is looked up in PATH
  // Added to, or replacing parts of, the environment.
  std::map<std::string, std::string> environment;
  std::string stdout_path;  // empty: this program's stdout
  bool quiet = false;       // stderr to /dev/null
};

struct ProcessEnd {
  int exit_code = 0;  // 128 + signal where one ended it, as shells have it
  double seconds = 0;
  int64_t peak_mib = 0;  // of memory, as the kernel counts it (ru_maxrss)
};

// Runs `process` to its end. It gets its own process group and no stdin. Error:
// it could not be started (a program that does not exist gives exit code 127).
// If this program dies, the child gets SIGTERM. Not thread safe.
absl::StatusOr<ProcessEnd> RunProcess(const Process& process);

// From now on SIGINT and SIGTERM set Interrupted() and go on to the child
// (once each), which may save its work; this program lives on.
void ForwardSignals();

}  // namespace seg

#endif  // TOOLS_REPRODUCE_SUBPROCESS_H_
