#include "tools/reproduce/environment.h"

#include <sched.h>
#include <time.h>

#include <filesystem>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/environment.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "tools/reproduce/subprocess.h"

namespace seg {
namespace {

// stdout of a program, or nothing where it fails.
absl::StatusOr<std::string> OutputOf(const std::vector<std::string>& argv,
                                     const std::string& scratch, bool* ok) {
  Process process;
  process.argv = argv;
  process.stdout_path = scratch + "/output.txt";
  process.quiet = true;
  SEG_ASSIGN_OR_RETURN(const ProcessEnd end, RunProcess(process));
  *ok = end.exit_code == 0;
  absl::StatusOr<std::string> text = ReadFile(process.stdout_path);
  std::error_code error;
  std::filesystem::remove(process.stdout_path, error);
  return text;
}

std::vector<std::string> Lines(const std::string& text) {
  return absl::StrSplit(text, '\n', absl::SkipWhitespace());
}

}  // namespace

absl::StatusOr<TreeState> ReadTreeState(const std::string& folder,
                                        const std::vector<std::string>& ignored,
                                        const std::string& scratch) {
  TreeState state;
  state.commit = "unknown";
  const std::string written = folder + "/COMMIT";
  std::error_code error;
  if (std::filesystem::exists(written, error)) {
    SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(written));
    std::vector<std::string> lines = Lines(text);
    if (lines.empty()) return state;
    state.commit = lines[0];
    for (size_t i = 1; i < lines.size(); ++i) {
      if (lines[i].size() > 3) state.changes.push_back(lines[i].substr(3));
    }
    return state;
  }
  bool ok = false;
  std::vector<std::string> argv = {"git",         "-C", folder,  "status",
                                   "--porcelain", "--", ":(top)"};
  for (const std::string& path : ignored) {
    argv.push_back(":(top,exclude)" + path);
  }
  SEG_ASSIGN_OR_RETURN(const std::string status, OutputOf(argv, scratch, &ok));
  if (!ok) return state;
  const std::string commit = GitCommit(folder);
  if (!commit.empty()) state.commit = commit;
  for (const std::string& line : Lines(status)) {
    if (line.size() > 3) state.changes.push_back(line.substr(3));
  }
  return state;
}

absl::StatusOr<Hardware> ReadHardware(const std::string& scratch) {
  Hardware hardware;
  hardware.cpu = CpuModel();
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof(cores), &cores) == 0) {
    hardware.cores = CPU_COUNT(&cores);
  }
  bool ok = false;
  SEG_ASSIGN_OR_RETURN(
      const std::string gpus,
      OutputOf({"nvidia-smi", "--query-gpu=name", "--format=csv,noheader"},
               scratch, &ok));
  if (ok && !Lines(gpus).empty())
    hardware.gpu = absl::StrJoin(Lines(gpus), ", ");
  return hardware;
}

std::string UtcNow() {
  const time_t now = time(nullptr);
  struct tm parts;
  gmtime_r(&now, &parts);
  char text[32];
  strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace seg
