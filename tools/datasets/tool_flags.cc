#include "tools/datasets/tool_flags.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/reflection.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/printable.h"
#include "common/io/file.h"

namespace seg {

absl::StatusOr<ToolArgs> ParseToolFlags(int argc, char** argv,
                                        const std::vector<std::string>& names,
                                        const std::string& usage) {
  const auto known = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  ToolArgs args;
  bool flags_ended = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (flags_ended || !absl::StartsWith(argument, "-")) {
      args.positional.push_back(argument);
      continue;
    }
    if (argument == "--") {
      flags_ended = true;
      continue;
    }
    if (argument == "--help" || argument == "-h") {
      std::printf("%s\n\n", usage.c_str());
      for (const std::string& name : names) {
        const absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
        std::printf("  --%-12s %s\n", name.c_str(), flag->Help().c_str());
      }
      args.help = true;
      return args;
    }
    const size_t equals = argument.find('=');
    std::string name = argument.substr(0, equals);
    name.erase(0, std::min(name.find_first_not_of('-'), name.size()));
    const bool negated = !known(name) && equals == std::string::npos &&
                         absl::StartsWith(name, "no");
    if (negated) name = name.substr(2);
    absl::CommandLineFlag* flag =
        known(name) ? absl::FindCommandLineFlag(name) : nullptr;
    if (flag == nullptr || (negated && !flag->IsOfType<bool>())) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown flag ", argument.substr(0, equals),
                       "; --help lists the flags"));
    }
    std::string value;
    if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
    } else if (flag->IsOfType<bool>()) {
      value = negated ? "false" : "true";
    } else if (i + 1 < argc) {
      value = argv[++i];
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("flag --", name, " needs a value"));
    }
    std::string error;
    if (!flag->ParseFrom(value, &error)) {
      return absl::InvalidArgumentError(
          absl::StrCat("flag --", name, ": cannot take '", value, "'"));
    }
  }
  return args;
}

void EnterWorkingDirectory() {
  const char* folder = std::getenv("BUILD_WORKING_DIRECTORY");
  if (folder == nullptr) return;
  std::error_code ignored;  // stays where it is; paths then name the failure
  std::filesystem::current_path(folder, ignored);
}

std::string DataRoot(const std::string& flag) {
  if (!flag.empty()) return ExpandHome(flag);
  const char* root = std::getenv("SEG_DATA_ROOT");
  return root == nullptr ? "" : ExpandHome(root);
}

absl::StatusOr<std::vector<int64_t>> ParseSeeds(const std::string& flag) {
  std::vector<int64_t> seeds;
  for (const auto& text : absl::StrSplit(flag, ',', absl::SkipWhitespace())) {
    int64_t seed = 0;
    if (!absl::SimpleAtoi(text, &seed) || seed < 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--seeds: expected numbers by commas, got '", text, "'"));
    }
    seeds.push_back(seed);
  }
  return seeds;
}

int Fail(int code, const absl::Status& status) {
  std::fprintf(stderr, "error: %s\n", Printable(status.message()).c_str());
  return code;
}

int Fail(const absl::Status& status) {
  return Fail(absl::IsInvalidArgument(status) ? kExitUsage
              : absl::IsCancelled(status)     ? kExitInterrupted
                                              : kExitFailed,
              status);
}

}  // namespace seg
