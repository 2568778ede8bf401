// bazel run //tools:reproduce -- PAPER [flags]: see README.md beside this file.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/printable.h"
#include "common/base/runfiles.h"
#include "common/io/file.h"
#include "tools/reproduce/runner.h"
#include "tools/reproduce/subprocess.h"

ABSL_FLAG(std::string, data_root, "",
          "folder of data packs; default: the environment's SEG_DATA_ROOT");
ABSL_FLAG(std::string, device, "", "auto, cpu or cuda:N, passed on");
ABSL_FLAG(int32_t, threads, 0, "CPU threads, passed on; 0: one a core");
ABSL_FLAG(std::string, only, "", "experiments of protocol.yaml, by commas");
ABSL_FLAG(std::string, seeds, "", "instead of the protocol's, e.g. 0,1,2");
ABSL_FLAG(std::string, work_dir, "",
          "run folders; default: runs/reproduce/PAPER in the repository");
ABSL_FLAG(bool, force, false, "repeat what is finished");
ABSL_FLAG(bool, allow_dirty, false,
          "measure with uncommitted changes; the results are marked");
ABSL_FLAG(std::string, merge, "",
          "results folders of other machines, by commas, whose runs are added");
ABSL_FLAG(bool, render_only, false,
          "only verdicts, RESULTS.md and README summary, from the results");

namespace {

namespace fs = std::filesystem;

constexpr int kExitUsage = 2;
constexpr int kExitInterrupted = 130;

int Usage(const std::string& message) {
  std::fprintf(stderr, "reproduce: %s\n", seg::Printable(message).c_str());
  return kExitUsage;
}

// Abseil exits with 1 for an unknown flag; wrong usage is 2 here.
std::string UnknownFlag(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i];
    if (name == "--") break;
    if (!absl::StartsWith(name, "-")) continue;
    name = name.substr(absl::StartsWith(name, "--") ? 2 : 1);
    name = name.substr(0, name.find('='));
    if (absl::StartsWith(name, "help") || name == "version") continue;
    if (absl::FindCommandLineFlag(name) == nullptr &&
        !(absl::StartsWith(name, "no") &&
          absl::FindCommandLineFlag(name.substr(2)) != nullptr)) {
      return argv[i];
    }
  }
  return "";
}

std::string Absolute(const std::string& path, const fs::path& base) {
  if (path.empty()) return "";
  return fs::weakly_canonical(base / seg::ExpandHome(path)).string();
}

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string unknown = UnknownFlag(argc, argv);
  if (!unknown.empty()) return Usage("unknown flag " + unknown);
  const std::vector<char*> rest = absl::ParseCommandLine(argc, argv);
  if (rest.size() != 2) {
    return Usage(
        "expected one paper, e.g. bazel run //tools:reproduce -- crfgrad");
  }
  // Relative paths are what the user sees; the sources are where Bazel says.
  const fs::path here = Environment("BUILD_WORKING_DIRECTORY").empty()
                            ? fs::current_path()
                            : fs::path(Environment("BUILD_WORKING_DIRECTORY"));
  const fs::path sources =
      Environment("BUILD_WORKSPACE_DIRECTORY").empty()
          ? here
          : fs::path(Environment("BUILD_WORKSPACE_DIRECTORY"));

  seg::ReproduceOptions options;
  const std::string paper = fs::path(rest[1]).filename().string().empty()
                                ? fs::path(rest[1]).parent_path().string()
                                : rest[1];
  options.repository = sources.string();
  options.paper_dir = (sources / paper).string();
  if (!fs::exists(options.paper_dir + "/protocol.yaml")) {
    return Usage(absl::StrCat(options.paper_dir,
                              "/protocol.yaml: no such file; the first "
                              "argument names a paper's folder"));
  }
  options.train_binary = seg::Runfile(paper + "/train");
  options.eval_binary = seg::Runfile(paper + "/eval");
  options.render_only = absl::GetFlag(FLAGS_render_only);
  if (!options.render_only) {
    for (const std::string& binary :
         {options.train_binary, options.eval_binary}) {
      if (!fs::exists(binary)) {
        return Usage(absl::StrCat(binary,
                                  ": no such program; run this as `bazel run "
                                  "//tools:reproduce`, and list the paper in "
                                  "tools/papers.bzl"));
      }
    }
    options.runfiles_dir = fs::path(options.train_binary)
                               .parent_path()
                               .parent_path()
                               .parent_path();
  }
  const std::string work_dir = absl::GetFlag(FLAGS_work_dir);
  options.work_dir = work_dir.empty()
                         ? (sources / "runs/reproduce" / paper).string()
                         : Absolute(work_dir, here);
  options.data_root = Absolute(absl::GetFlag(FLAGS_data_root), here);
  options.device = absl::GetFlag(FLAGS_device);
  options.threads = absl::GetFlag(FLAGS_threads);
  options.force = absl::GetFlag(FLAGS_force);
  options.allow_dirty = absl::GetFlag(FLAGS_allow_dirty);
  options.only =
      absl::StrSplit(absl::GetFlag(FLAGS_only), ',', absl::SkipWhitespace());
  const std::vector<std::string> seeds =
      absl::StrSplit(absl::GetFlag(FLAGS_seeds), ',', absl::SkipWhitespace());
  for (const std::string& text : seeds) {
    int64_t seed = 0;
    if (!absl::SimpleAtoi(text, &seed) || seed < 0) {
      return Usage("--seeds: expected numbers by commas, got '" + text + "'");
    }
    options.seeds.push_back(seed);
  }

  const std::vector<std::string> merge =
      absl::StrSplit(absl::GetFlag(FLAGS_merge), ',', absl::SkipWhitespace());
  for (const std::string& folder : merge) {
    options.merge.push_back(Absolute(folder, here));
  }

  seg::ForwardSignals();
  const absl::Status status = seg::Reproduce(options);
  if (status.ok()) return 0;
  std::fprintf(stderr, "reproduce: %s\n",
               seg::Printable(status.message()).c_str());
  if (absl::IsInvalidArgument(status)) return kExitUsage;
  return absl::IsCancelled(status) ? kExitInterrupted : 1;
}
