// bazel run //tools:reproduce -- PAPER [flags]: see README.md beside this file.
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/runfiles.h"
#include "common/io/file.h"
#include "tools/datasets/tool_flags.h"
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

int Usage(const std::string& message) {
  return seg::Fail(seg::kExitUsage, absl::InvalidArgumentError(message));
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
  const auto args = seg::ParseToolFlags(
      argc, argv,
      {"data_root", "device", "threads", "only", "seeds", "work_dir", "force",
       "allow_dirty", "merge", "render_only"},
      "reproduce PAPER [flags]\nTrains and evaluates what PAPER/protocol.yaml "
      "lists, and writes the results into PAPER.");
  if (!args.ok()) return seg::Fail(seg::kExitUsage, args.status());
  if (args->help) return seg::kExitDone;
  if (args->positional.size() != 1) {
    return Usage(
        "expected one paper, e.g. bazel run //tools:reproduce -- crfgrad");
  }
  const std::string& named = args->positional[0];
  // Relative paths are what the user sees; the sources are where Bazel says.
  const fs::path here = Environment("BUILD_WORKING_DIRECTORY").empty()
                            ? fs::current_path()
                            : fs::path(Environment("BUILD_WORKING_DIRECTORY"));
  const fs::path sources =
      Environment("BUILD_WORKSPACE_DIRECTORY").empty()
          ? here
          : fs::path(Environment("BUILD_WORKSPACE_DIRECTORY"));

  seg::ReproduceOptions options;
  const std::string paper = fs::path(named).filename().string().empty()
                                ? fs::path(named).parent_path().string()
                                : named;
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
  const auto seeds = seg::ParseSeeds(absl::GetFlag(FLAGS_seeds));
  if (!seeds.ok()) return seg::Fail(seeds.status());
  options.seeds = *seeds;

  const std::vector<std::string> merge =
      absl::StrSplit(absl::GetFlag(FLAGS_merge), ',', absl::SkipWhitespace());
  for (const std::string& folder : merge) {
    options.merge.push_back(Absolute(folder, here));
  }

  seg::ForwardSignals();
  const absl::Status status = seg::Reproduce(options);
  return status.ok() ? seg::kExitDone : seg::Fail(status);
}
