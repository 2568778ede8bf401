// bazel run //tools:tune -- PAPER [flags] key.path={A,B,C} ...: see README.md
// beside this file.
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/runfiles.h"
#include "tools/datasets/tool_flags.h"
#include "tools/reproduce/subprocess.h"
#include "tools/tune/tune.h"

ABSL_FLAG(std::string, checkpoint, "",
          "run folder or checkpoint; default: the paper's newest run");
ABSL_FLAG(std::string, split, "val", "split to choose on");
ABSL_FLAG(std::string, metric, "/metrics/mean_iou",
          "number to choose by: a JSON pointer into what eval --json prints");
ABSL_FLAG(bool, lowest, false, "the lowest number is the best");
ABSL_FLAG(std::string, data_root, "",
          "folder of data packs; default: the environment's SEG_DATA_ROOT");
ABSL_FLAG(std::string, device, "", "auto, cpu or cuda:N, passed on");
ABSL_FLAG(int32_t, threads, 0, "CPU threads, passed on; 0: one a core");

namespace {

int Usage(const std::string& message) {
  return seg::Fail(seg::kExitUsage, absl::InvalidArgumentError(message));
}

}  // namespace

int main(int argc, char** argv) {
  const auto args = seg::ParseToolFlags(
      argc, argv,
      {"checkpoint", "split", "metric", "lowest", "data_root", "device",
       "threads"},
      "tune PAPER [flags] key.path=value ...\n"
      "A key that occurs more than once (key.path={A,B} in a shell) is tried "
      "with each value.\nOne line a setting, the best last, then the best as "
      "overrides for eval.");
  if (!args.ok()) return seg::Fail(seg::kExitUsage, args.status());
  if (args->help) return seg::kExitDone;
  std::vector<std::string> rest = args->positional;
  if (rest.empty() || rest[0].find('=') != std::string::npos) {
    return Usage("name a paper: tune PAPER key.path={A,B} ...");
  }
  const std::string paper = rest[0];
  rest.erase(rest.begin());

  seg::TuneOptions options;
  options.eval_binary = seg::Runfile(paper + "/eval");
  if (!std::filesystem::exists(options.eval_binary)) {
    return Usage(
        absl::StrCat(paper, ": no such paper; tools/papers.bzl lists them"));
  }
  options.runfiles_dir = std::filesystem::path(options.eval_binary)
                             .parent_path()
                             .parent_path()
                             .parent_path();
  options.overrides = rest;
  options.checkpoint = absl::GetFlag(FLAGS_checkpoint);
  options.split = absl::GetFlag(FLAGS_split);
  options.metric = absl::GetFlag(FLAGS_metric);
  options.lowest = absl::GetFlag(FLAGS_lowest);
  options.data_root = absl::GetFlag(FLAGS_data_root);
  options.device = absl::GetFlag(FLAGS_device);
  options.threads = absl::GetFlag(FLAGS_threads);

  seg::ForwardSignals();
  const auto settings = seg::Tune(options);
  if (!settings.ok()) return seg::Fail(settings.status());
  for (const seg::Setting& setting : *settings) {
    std::printf("%10.6g  %s\n", setting.value,
                absl::StrJoin(setting.overrides, " ").c_str());
  }
  std::printf("%s\n", absl::StrJoin(settings->back().overrides, " ").c_str());
  return seg::kExitDone;
}
