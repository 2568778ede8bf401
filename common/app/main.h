// What every main shares: flags, paths, threads, errors and exit codes.
//
//   int main(int argc, char** argv) {
//     return seg::RunMain(argc, argv, seg::Command::kTrain, "crfgrad",
//                         [](const seg::MainArgs& args) -> absl::Status {
//       crfgrad::Config config;
//       SEG_RETURN_IF_ERROR(
//           seg::LoadConfig(args, seg::DemoConfig(args), &config));
//       ...
//     });
//   }
//
// Flags (Abseil flags, read only here; DESIGN of the command line in README):
//   all      --config --data_root --device --seed --threads --print_config
//            and trailing key.path=value overrides
//   train    + --work_dir --resume --init_from --dry_run
//   eval     + --checkpoint --split --out --json
//   predict  + --checkpoint --input --out --probabilities --overlay
//   others   + the groups of flags that they name (Command)
// Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 130
// interrupted. stdout carries results only; an error is one line on stderr.
#ifndef COMMON_APP_MAIN_H_
#define COMMON_APP_MAIN_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/config/config_file.h"
#include "nlohmann/json.hpp"

namespace seg {

// Flags that a command takes beside those of all.
enum FlagGroup : unsigned {
  kTrainingFlags = 1 << 0,  // --work_dir --resume --init_from --dry_run
  kRunFlag = 1 << 1,        // --checkpoint
  kSplitFlag = 1 << 2,      // --split
  kInputFlag = 1 << 3,      // --input, which the user has to give
  kOutFlag = 1 << 4,        // --out
  kJsonFlag = 1 << 5,       // --json
  kLabelFlags = 1 << 6,     // --probabilities --overlay
};

// What a program does. Every paper has the three below; one that has more
// states them as they are stated here (common/app/command.h).
struct Command {
  absl::string_view name;
  unsigned flags = 0;          // FlagGroups
  absl::string_view out = "";  // MainArgs::out where the user gives none

  static const Command kTrain, kEval, kPredict;
};
inline constexpr Command Command::kTrain = {"train", kTrainingFlags};
inline constexpr Command Command::kEval = {
    "eval", kRunFlag | kSplitFlag | kOutFlag | kJsonFlag};
inline constexpr Command Command::kPredict = {
    "predict", kRunFlag | kInputFlag | kOutFlag | kLabelFlags, "predictions"};

inline bool operator==(const Command& a, const Command& b) {
  return a.name == b.name;
}

struct MainArgs {
  std::string paper;   // folder of the paper, "crfgrad"
  std::string config;  // empty: the paper's configs/demo.yaml, or the run's own
  std::string data_root;
  std::string device;
  int64_t seed = 0;
  bool seed_given = false;  // by --seed; else a resumed run's own is taken
  int64_t threads = 0;      // 0: one a core
  bool print_config = false;
  std::vector<std::string> overrides;
  // train
  std::string work_dir;
  bool resume = false;
  std::string init_from;
  bool dry_run = false;
  // eval, predict and a paper's own commands
  std::string checkpoint;
  std::string split;
  std::string input;
  std::string out;
  bool json = false;
  bool probabilities = false;
  bool overlay = false;
};

// Parses the command line, changes into BUILD_WORKING_DIRECTORY when `bazel
// run` set it (so relative paths mean what the user sees), sets the number of
// threads, runs `body` and turns its Status, or a LibTorch error, into an exit
// code and one line. kCancelled means interrupted.
int RunMain(int argc, char** argv, const Command& command,
            const std::string& paper,
            const std::function<absl::Status(const MainArgs&)>& body);

// The configuration that `args` mean: --config, else the file `otherwise`,
// under the overrides.
ConfigSource SourceOf(const MainArgs& args, const std::string& otherwise);

// The paper's configs/demo.yaml.
std::string DemoConfig(const MainArgs& args);

// With --print_config prints the resolved configuration to stdout, and returns
// a status that ends the program with exit code 0. Else OK.
absl::Status PrintConfig(const MainArgs& args, const nlohmann::json& config);

// Reads and binds the configuration that `args` mean; PrintConfig.
template <typename Config>
absl::Status LoadConfig(const MainArgs& args, const std::string& otherwise,
                        Config* config) {
  SEG_RETURN_IF_ERROR(LoadConfigFile(SourceOf(args, otherwise), config));
  return PrintConfig(args, nlohmann::json(*config));
}

}  // namespace seg

#endif  // COMMON_APP_MAIN_H_
