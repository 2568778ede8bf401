#include "common/base/environment.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace seg {
namespace {

namespace fs = std::filesystem;

std::string FirstLine(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// What follows `prefix` in `line`; "" where it does not begin with it.
std::string After(const std::string& prefix, const std::string& line) {
  return line.rfind(prefix, 0) == 0 ? line.substr(prefix.size()) : "";
}

// The folder with HEAD for the tree around `folder`; empty where none is.
fs::path GitFolder(const std::string& folder) {
  std::error_code error;
  for (fs::path tree = fs::absolute(folder, error); !tree.empty();
       tree = tree.parent_path()) {
    const fs::path git = tree / ".git";
    if (fs::is_directory(git, error)) return git;
    // A linked worktree or a submodule: a file that says where the folder is.
    const std::string elsewhere = After("gitdir: ", FirstLine(git));
    if (!elsewhere.empty()) return tree / elsewhere;
    if (fs::exists(git, error)) return {};  // broken: not for a folder above
    if (!tree.has_relative_path()) break;
  }
  return {};
}

}  // namespace

std::string CpuModel() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  return "unknown";
}

std::string GitCommit(const std::string& folder) {
  const fs::path git = GitFolder(folder);
  if (git.empty()) return "";
  const std::string head = FirstLine(git / "HEAD");
  const std::string reference = After("ref: ", head);
  if (reference.empty()) return head;
  // A linked worktree has its own HEAD, but shares the references.
  const std::string common = FirstLine(git / "commondir");
  const fs::path shared = common.empty() ? git : git / common;
  std::string commit = FirstLine(shared / reference);
  if (!commit.empty()) return commit;
  std::ifstream packed(shared / "packed-refs");
  for (std::string line; std::getline(packed, line);) {
    const size_t space = line.find(' ');
    if (space != std::string::npos && line.substr(space + 1) == reference) {
      return line.substr(0, space);
    }
  }
  return "";
}

}  // namespace seg
