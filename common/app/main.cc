#include "common/app/main.h"

#include <ATen/Parallel.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/keep_freed_memory.h"
#include "common/base/printable.h"
#include "common/base/runfiles.h"
#include "common/base/usage_error.h"
#include "common/base/without_exceptions.h"
#include "common/io/file.h"

ABSL_FLAG(std::string, config, "",
          "YAML file; without it the paper's configs/demo.yaml");
ABSL_FLAG(std::string, data_root, "",
          "folder of data packs; default: the environment's SEG_DATA_ROOT");
ABSL_FLAG(std::string, device, "auto", "auto, cpu or cuda:N");
ABSL_FLAG(int64_t, seed, 0,
          "seed of every random choice; a resumed run keeps its own");
ABSL_FLAG(int64_t, threads, 0, "CPU threads; 0: one a core");
ABSL_FLAG(bool, print_config, false,
          "print the resolved configuration to stdout and stop");
ABSL_FLAG(std::string, work_dir, "",
          "run folder; default: runs/PAPER/NAME-TIME");
ABSL_FLAG(bool, resume, false,
          "continue the run in --work_dir (else the newest) exactly");
ABSL_FLAG(std::string, init_from, "",
          "take weights (nothing else) from a run or a weight file");
ABSL_FLAG(bool, dry_run, false,
          "build all, try a step, a validation and a save, leave nothing");
ABSL_FLAG(std::string, checkpoint, "",
          "run folder or .safetensors; default: the paper's newest run");
ABSL_FLAG(std::string, split, "test", "split of the data set to evaluate");
ABSL_FLAG(std::string, input, "", "an image, a folder or a glob");
ABSL_FLAG(std::string, out, "", "folder to write to");
ABSL_FLAG(bool, json, false, "print one JSON object to stdout");
ABSL_FLAG(bool, probabilities, false, "also write class probabilities (.npy)");
ABSL_FLAG(bool, overlay, false, "also write the labels drawn over the image");

namespace seg {
namespace {

constexpr char kStopPayload[] = "segpapers/stop";
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitInterrupted = 130;  // 128 + SIGINT, as a shell has it

struct GroupedFlag {
  FlagGroup group;
  const char* name;
};
constexpr GroupedFlag kGroupedFlags[] = {
    {kTrainingFlags, "work_dir"},  {kTrainingFlags, "resume"},
    {kTrainingFlags, "init_from"}, {kTrainingFlags, "dry_run"},
    {kRunFlag, "checkpoint"},      {kSplitFlag, "split"},
    {kInputFlag, "input"},         {kOutFlag, "out"},
    {kJsonFlag, "json"},           {kLabelFlags, "probabilities"},
    {kLabelFlags, "overlay"},
};

std::vector<std::string> FlagNames(const Command& command) {
  std::vector<std::string> names = {"config", "data_root", "device",
                                    "seed",   "threads",   "print_config"};
  for (const GroupedFlag& flag : kGroupedFlags) {
    if (command.flags & flag.group) names.push_back(flag.name);
  }
  return names;
}

void PrintHelp(const std::string& program, const Command& command) {
  std::printf("%s [flags] [key.path=value ...]\n\n", program.c_str());
  for (const std::string& name : FlagNames(command)) {
    const absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
    const std::string value = flag->DefaultValue();
    std::printf("  --%-16s%s%s\n", name.c_str(), flag->Help().c_str(),
                value.empty() || absl::StrContains(flag->Help(), "default")
                    ? ""
                    : absl::StrCat(" (", value, ")").c_str());
  }
  std::printf(
      "\nkey.path=value sets a key of the configuration; --print_config shows "
      "them all.\n");
}

// Abseil's own parser exits with 1 on a wrong flag; a wrong command line is 2
// here, so the flags are set one by one.
absl::Status ParseFlags(int argc, char** argv, const Command& command,
                        std::vector<std::string>* overrides,
                        std::set<std::string>* given, bool* help) {
  const std::vector<std::string> names = FlagNames(command);
  bool flags_ended = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (flags_ended || !absl::StartsWith(argument, "-")) {
      overrides->push_back(argument);
      continue;
    }
    if (argument == "--") {
      flags_ended = true;
      continue;
    }
    if (argument == "--help" || argument == "-h") {
      *help = true;
      return absl::OkStatus();
    }
    const size_t equals = argument.find('=');
    std::string name = argument.substr(0, equals);
    name.erase(0, name.find_first_not_of('-'));
    bool negated = false;
    if (std::find(names.begin(), names.end(), name) == names.end() &&
        absl::StartsWith(name, "no") && equals == std::string::npos) {
      negated = true;
      name = name.substr(2);
    }
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown flag ", argument.substr(0, equals),
                       "; --help lists the flags"));
    }
    absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
    std::string value;
    if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
    } else if (flag->IsOfType<bool>()) {
      value = negated ? "false" : "true";
    } else if (!negated && i + 1 < argc) {
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
    given->insert(name);
  }
  return absl::OkStatus();
}

MainArgs ReadFlags(const Command& command, const std::string& paper,
                   std::vector<std::string> overrides,
                   const std::set<std::string>& given) {
  MainArgs args;
  args.paper = paper;
  args.config = ExpandHome(absl::GetFlag(FLAGS_config));
  args.data_root = absl::GetFlag(FLAGS_data_root);
  if (args.data_root.empty()) {
    const char* root = std::getenv("SEG_DATA_ROOT");
    if (root != nullptr) args.data_root = root;
  }
  args.data_root = ExpandHome(args.data_root);
  args.device = absl::GetFlag(FLAGS_device);
  args.seed = absl::GetFlag(FLAGS_seed);
  args.seed_given = given.count("seed") > 0;
  args.threads = absl::GetFlag(FLAGS_threads);
  args.print_config = absl::GetFlag(FLAGS_print_config);
  args.overrides = std::move(overrides);
  args.work_dir = ExpandHome(absl::GetFlag(FLAGS_work_dir));
  args.resume = absl::GetFlag(FLAGS_resume);
  args.init_from = ExpandHome(absl::GetFlag(FLAGS_init_from));
  args.dry_run = absl::GetFlag(FLAGS_dry_run);
  args.checkpoint = ExpandHome(absl::GetFlag(FLAGS_checkpoint));
  args.split = absl::GetFlag(FLAGS_split);
  args.input = ExpandHome(absl::GetFlag(FLAGS_input));
  args.out = ExpandHome(absl::GetFlag(FLAGS_out));
  if (args.out.empty()) args.out = std::string(command.out);
  args.json = absl::GetFlag(FLAGS_json);
  args.probabilities = absl::GetFlag(FLAGS_probabilities);
  args.overlay = absl::GetFlag(FLAGS_overlay);
  return args;
}

absl::Status CheckArgs(const MainArgs& args, const Command& command) {
  constexpr int64_t kMaxThreads = 4096;
  if (args.threads < 0 || args.threads > kMaxThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat("flag --threads: must lie in [0, ", kMaxThreads, "], got ",
                     args.threads));
  }
  if (args.seed < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("flag --seed: must not be negative, got ", args.seed));
  }
  if (args.resume && !args.init_from.empty()) {
    return absl::InvalidArgumentError(
        "--resume continues a run with its own weights; --init_from starts a "
        "new one: give one of them");
  }
  if ((command.flags & kInputFlag) && args.input.empty() &&
      !args.print_config) {
    return absl::InvalidArgumentError(
        "flag --input is missing: an image, a folder or a glob in quotes");
  }
  return absl::OkStatus();
}

int Report(const std::string& program, const absl::Status& status) {
  if (status.ok() || status.GetPayload(kStopPayload).has_value()) return 0;
  std::fprintf(stderr, "%s: %s\n", Printable(program).c_str(),
               Printable(status.message()).c_str());
  if (status.code() == absl::StatusCode::kCancelled) return kExitInterrupted;
  return IsUsageError(status) ? kExitUsage : kExitFailed;
}

}  // namespace

int RunMain(int argc, char** argv, const Command& command,
            const std::string& paper,
            const std::function<absl::Status(const MainArgs&)>& body) {
  const std::string program =
      std::filesystem::path(argc > 0 ? argv[0] : paper).filename().string();
  std::vector<std::string> overrides;
  std::set<std::string> given;
  bool help = false;
  absl::Status status =
      ParseFlags(argc, argv, command, &overrides, &given, &help);
  if (status.ok() && help) {
    PrintHelp(program, command);
    return 0;
  }
  const MainArgs args = ReadFlags(command, paper, std::move(overrides), given);
  if (status.ok()) status = CheckArgs(args, command);
  if (!status.ok()) return Report(program, UsageError(status));

  if (const char* directory = std::getenv("BUILD_WORKING_DIRECTORY")) {
    if (chdir(directory) != 0) {
      return Report(program, absl::NotFoundError(absl::StrCat(
                                 directory, ": cannot be entered")));
    }
  }
  KeepFreedMemory();
  const int64_t cores = std::max(1u, std::thread::hardware_concurrency());
  at::set_num_threads(
      static_cast<int>(args.threads > 0 ? args.threads : cores));
  return Report(program, WithoutExceptions([&] { return body(args); }));
}

ConfigSource SourceOf(const MainArgs& args, const std::string& otherwise) {
  return {args.config.empty() ? otherwise : args.config, args.overrides};
}

std::string DemoConfig(const MainArgs& args) {
  return Runfile(absl::StrCat(args.paper, "/configs/demo.yaml"));
}

absl::Status PrintConfig(const MainArgs& args, const nlohmann::json& config) {
  if (!args.print_config) return absl::OkStatus();
  std::fputs(ToYaml(config).c_str(), stdout);
  absl::Status status = absl::AbortedError("configuration printed");
  status.SetPayload(kStopPayload, absl::Cord("1"));
  return status;
}

}  // namespace seg
