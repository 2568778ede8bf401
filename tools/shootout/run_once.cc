#include "tools/shootout/run_once.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kExitUsage = 2;
constexpr int kExitInterrupted = 130;

std::string Describe(const fs::path& file) {
  std::error_code error;
  return absl::StrCat(
      file.string(), " ", fs::file_size(file, error), " ",
      fs::last_write_time(file, error).time_since_epoch().count());
}

}  // namespace

std::string Contents(const std::string& path) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(path, error), end; it != end;
       it.increment(error)) {
    if (it->is_regular_file(error)) files.push_back(Describe(it->path()));
  }
  if (fs::is_regular_file(path, error)) files.push_back(Describe(path));
  if (files.empty()) return "";
  std::sort(files.begin(), files.end());
  return HashTexts(files);
}

absl::StatusOr<ProcessEnd> RunOnce(const std::vector<std::string>& argv,
                                   const std::string& runfiles_dir,
                                   const std::string& output,
                                   const std::string& stdout_path,
                                   const std::string& input) {
  const std::string done = output + ".done";
  const std::string command =
      absl::StrCat(absl::StrJoin(argv, "\n"), "\n", input);
  const absl::StatusOr<std::string> text = ReadFile(done);
  if (text.ok()) {
    const json before = json::parse(*text, nullptr, false);
    if (before.is_object() && before.value("command", "") == command) {
      return ProcessEnd{0, before.value("seconds", 0.0),
                        before.value("peak_mib", int64_t{0})};
    }
  }
  if (Interrupted()) return absl::CancelledError("interrupted");
  std::error_code error;
  fs::remove(done, error);
  fs::remove_all(output, error);
  fs::create_directories(fs::path(output).parent_path(), error);
  LogInfo(absl::StrJoin(argv, " "));
  Process process;
  process.argv = argv;
  process.stdout_path = stdout_path;
  if (!runfiles_dir.empty()) {
    process.environment["RUNFILES_DIR"] = runfiles_dir;
  }
  SEG_ASSIGN_OR_RETURN(const ProcessEnd end, RunProcess(process));
  if (Interrupted() || end.exit_code == kExitInterrupted) {
    return absl::CancelledError("interrupted");
  }
  if (end.exit_code != 0) {  // what is wrong the program has said
    const std::string message =
        absl::StrCat(argv[0], ": ended with exit code ", end.exit_code);
    return end.exit_code == kExitUsage ? absl::InvalidArgumentError(message)
                                       : absl::InternalError(message);
  }
  const json state = {{"command", command},
                      {"seconds", end.seconds},
                      {"peak_mib", end.peak_mib}};
  SEG_RETURN_IF_ERROR(WriteFileAtomically(done, state.dump(1) + "\n"));
  return end;
}

}  // namespace seg
