#include "common/base/runfiles.h"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace seg {

std::string Runfile(const std::string& path, const std::string& repository) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path root;
  for (const char* variable : {"TEST_SRCDIR", "RUNFILES_DIR"}) {
    const char* value = std::getenv(variable);
    if (root.empty() && value != nullptr && fs::is_directory(value, error)) {
      root = value;
    }
  }
  if (root.empty()) {
    root = fs::read_symlink("/proc/self/exe", error).string() + ".runfiles";
    if (!fs::is_directory(root, error)) return path;
  }
  return fs::absolute(root / repository / path, error).string();
}

}  // namespace seg
