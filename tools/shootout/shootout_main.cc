// bazel run //tools:shootout -- --probabilities=DIR|--checkpoint=RUN
// data.pack=P: see README.md beside this file.
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/io/folder_lock.h"
#include "nlohmann/json.hpp"
#include "tools/datasets/tool_flags.h"
#include "tools/reproduce/environment.h"
#include "tools/reproduce/subprocess.h"
#include "tools/shootout/refiners.h"
#include "tools/shootout/run_once.h"
#include "tools/shootout/shootout.h"
#include "tools/shootout/shootout_report.h"

ABSL_FLAG(std::string, probabilities, "",
          "folder of class probabilities, ID.npy [L,h,w] for each image of the "
          "data, of any system");
ABSL_FLAG(std::string, checkpoint, "",
          "a run of one of the papers, whose probabilities are refined");
ABSL_FLAG(std::string, proposals, "",
          "folder of proposals of any system, ID/*.png for each image that is "
          "evaluated; re-ranking is compared too");
ABSL_FLAG(std::string, data_root, "",
          "folder of data packs; default: the environment's SEG_DATA_ROOT");
ABSL_FLAG(std::string, device, "",
          "where refiners are trained; times are measured on the CPU");
ABSL_FLAG(std::string, work_dir, "runs/shootout", "everything is written here");
ABSL_FLAG(std::string, only, "", "names of refiners, by commas; default: all");
ABSL_FLAG(std::string, refiners, "", "a list of your own; see refiners.yaml");
ABSL_FLAG(std::string, seeds, "0",
          "by commas; the grids are tried with the first");
ABSL_FLAG(int32_t, steps, 300, "updates of each learned refiner");
ABSL_FLAG(std::string, metric, "/metrics/mean_iou",
          "number to choose settings by, on val: a JSON pointer into what eval "
          "--json prints");
ABSL_FLAG(std::string, split, "test", "split to report on");

namespace seg {
namespace {

namespace fs = std::filesystem;

constexpr char kPack[] = "data.pack=";

std::string Program(const std::string& paper, const std::string& program) {
  return Runfile(absl::StrCat(paper, "/", program));
}

// Has the paper of `run` write the probabilities of all images of the pack.
absl::StatusOr<std::string> Predict(const std::string& run,
                                    const ShootoutOptions& options) {
  if (options.data_root.empty()) {
    return absl::InvalidArgumentError(
        "--checkpoint: name the folder of the packs by --data_root or the "
        "environment's SEG_DATA_ROOT");
  }
  std::string pack;
  for (const std::string& item : options.data) {
    absl::string_view rest = item;
    if (absl::ConsumePrefix(&rest, kPack)) pack = std::string(rest);
  }
  if (pack.empty()) {
    return absl::InvalidArgumentError(
        "--checkpoint: name the pack whose images it sees by data.pack=NAME, "
        "or give --probabilities");
  }
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(run + "/env.json"));
  const auto env = nlohmann::json::parse(text, nullptr, false);
  const std::string paper =
      env.is_object() ? env.value("paper", std::string()) : "";
  const std::string program = Program(paper, "predict");
  if (paper.empty() || !fs::exists(program)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--checkpoint: ", run, " is no run of one of the papers"));
  }
  const std::string out = options.work_dir + "/probabilities";
  std::vector<std::string> argv = {
      program, "--checkpoint=" + run, "--probabilities",
      absl::StrCat("--input=", options.data_root, "/", pack, "/images"),
      "--out=" + out};
  if (!options.device.empty()) argv.push_back("--device=" + options.device);
  SEG_RETURN_IF_ERROR(
      RunOnce(argv, options.runfiles_dir, out, out + ".txt", Contents(run))
          .status());
  return out;
}

absl::StatusOr<std::vector<Refiner>> ChosenRefiners(std::string file,
                                                    const std::string& only) {
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
  SEG_ASSIGN_OR_RETURN(const std::vector<Refiner> all,
                       ParseRefiners(text, file));
  const std::vector<std::string> names =
      absl::StrSplit(only, ',', absl::SkipWhitespace());
  if (names.empty()) return all;
  std::vector<Refiner> chosen;
  size_t found = 0;
  for (const Refiner& refiner : all) {
    bool wanted = false;
    for (const std::string& name : names) {
      found += name == refiner.name;
      wanted = wanted || name == refiner.name;
      // What another's run needs is measured too.
      for (const Refiner& other : all) {
        wanted = wanted || (other.name == name && other.run_of == refiner.name);
      }
    }
    if (wanted) chosen.push_back(refiner);
  }
  if (found != names.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--only=", only, ": ", file, " has not all of these"));
  }
  return chosen;
}

absl::Status Main(std::vector<std::string> data) {
  ShootoutOptions options;
  options.data = std::move(data);
  options.program = Program;
  options.runfiles_dir = fs::path(Program("crfgrad", "eval"))
                             .parent_path()
                             .parent_path()
                             .parent_path();
  const std::string named = absl::GetFlag(FLAGS_refiners);
  const std::string list =
      named.empty() ? Runfile("tools/shootout/refiners.yaml") : named;
  options.configs_dir = fs::path(list).parent_path();
  SEG_ASSIGN_OR_RETURN(options.refiners,
                       ChosenRefiners(list, absl::GetFlag(FLAGS_only)));
  const std::string packs = DataRoot(absl::GetFlag(FLAGS_data_root));
  if (!packs.empty()) options.data_root = fs::absolute(packs);
  options.device = absl::GetFlag(FLAGS_device);
  options.steps = absl::GetFlag(FLAGS_steps);
  options.metric = absl::GetFlag(FLAGS_metric);
  options.split = absl::GetFlag(FLAGS_split);
  SEG_ASSIGN_OR_RETURN(options.seeds, ParseSeeds(absl::GetFlag(FLAGS_seeds)));
  if (options.seeds.empty() || options.steps < 1) {
    return absl::InvalidArgumentError(
        "--seeds: name one at least; --steps must be >= 1");
  }
  const std::string checkpoint = absl::GetFlag(FLAGS_checkpoint);
  const std::string probabilities = absl::GetFlag(FLAGS_probabilities);
  if (checkpoint.empty() == probabilities.empty()) {
    return absl::InvalidArgumentError(
        "give --probabilities=DIR or --checkpoint=RUN, and not both");
  }
  options.work_dir = fs::absolute(ExpandHome(absl::GetFlag(FLAGS_work_dir)));
  std::error_code error;
  fs::create_directories(options.work_dir, error);
  SEG_ASSIGN_OR_RETURN(const FolderLock lock,
                       FolderLock::Take(options.work_dir, "--work_dir"));
  if (checkpoint.empty()) {
    options.probabilities = fs::absolute(ExpandHome(probabilities));
  } else {
    SEG_ASSIGN_OR_RETURN(
        options.probabilities,
        Predict(fs::absolute(ExpandHome(checkpoint)), options));
  }
  const std::string proposals = absl::GetFlag(FLAGS_proposals);
  if (!proposals.empty()) {
    options.proposals = fs::absolute(ExpandHome(proposals));
  } else if (!absl::GetFlag(FLAGS_only).empty()) {
    for (const Refiner& refiner : options.refiners) {
      if (!refiner.proposals) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "--only: ", refiner.name, " needs --proposals, a folder of them"));
    }
  }
  SEG_ASSIGN_OR_RETURN(const std::vector<Shot> shots, RunShootout(options));
  SEG_ASSIGN_OR_RETURN(const Hardware hardware, ReadHardware(options.work_dir));
  const char* workspace = getenv("BUILD_WORKSPACE_DIRECTORY");
  SEG_ASSIGN_OR_RETURN(const TreeState state,
                       ReadTreeState(workspace == nullptr ? "." : workspace, {},
                                     options.work_dir));
  const nlohmann::json tree = ShootoutJson(options, shots,
                                           {{"commit", state.commit},
                                            {"dirty", state.dirty()},
                                            {"cpu", hardware.cpu},
                                            {"cores", hardware.cores},
                                            {"gpu", hardware.gpu},
                                            {"date", UtcNow()}});
  SEG_RETURN_IF_ERROR(WriteShootout(tree, options.work_dir));
  std::printf("%s\n%s\nreport: %s/report.html\n", ShootoutTable(tree).c_str(),
              ShootoutClasses(tree).c_str(), options.work_dir.c_str());
  return absl::OkStatus();
}

}  // namespace
}  // namespace seg

int main(int argc, char** argv) {
  const auto args = seg::ParseToolFlags(
      argc, argv,
      {"probabilities", "checkpoint", "proposals", "data_root", "device",
       "work_dir", "only", "refiners", "seeds", "steps", "metric", "split"},
      "shootout --probabilities=DIR|--checkpoint=RUN [flags] data.pack=NAME "
      "...\nTrains and tunes ways to refine these probabilities under one "
      "budget, and prints a table.");
  if (!args.ok()) return seg::Fail(seg::kExitUsage, args.status());
  if (args->help) return seg::kExitDone;
  for (const std::string& item : args->positional) {
    if (item.find('=') != std::string::npos) continue;
    return seg::Fail(seg::kExitUsage,
                     absl::InvalidArgumentError(absl::StrCat(
                         "expected key.path=value, got '", item, "'")));
  }
  seg::EnterWorkingDirectory();
  seg::ForwardSignals();
  const absl::Status status = seg::Main(args->positional);
  return status.ok() ? seg::kExitDone : seg::Fail(status);
}
