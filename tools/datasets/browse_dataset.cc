// A contact sheet of samples as a network gets them: resized, augmented, with
// the labels laid over.
//   bazel run //tools:browse_dataset -- pack=camvid --out=sheet.png
//       augment.flip=true augment.crop_height=256 augment.crop_width=256
// The keys are those of a paper's `data` section; --config takes that section
// from a paper's configuration. Exit code 0, 1: failed, 2: wrong usage.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"
#include "common/config/config.h"
#include "common/datasets/augment.h"
#include "common/datasets/contact_sheet.h"
#include "common/datasets/data_config.h"
#include "common/datasets/open.h"
#include "common/io/file.h"
#include "common/io/image.h"
#include "tools/datasets/tool_flags.h"

ABSL_FLAG(std::string, data_root, "",
          "folder of packs; default: the environment's SEG_DATA_ROOT");
ABSL_FLAG(std::string, config, "",
          "YAML file whose `data` section to start from");
ABSL_FLAG(std::string, split, "train", "which list of the pack (train)");
ABSL_FLAG(std::string, out, "", "the .png or .jpg to write (required)");
ABSL_FLAG(int64_t, count, 16, "number of samples (16)");
ABSL_FLAG(int64_t, first, 0, "index of the first sample (0)");
ABSL_FLAG(int64_t, seed, 0, "of the augmentation (0)");
ABSL_FLAG(int64_t, columns, 4, "samples in a row (4)");
ABSL_FLAG(int64_t, cell, 192, "longest side of a picture in pixels (192)");

namespace seg {
namespace {

// The configuration that the flags and the trailing KEY=VALUE mean.
absl::StatusOr<DataConfig> ReadConfig(const std::vector<std::string>& keys) {
  std::string text;
  const std::string path = ExpandHome(absl::GetFlag(FLAGS_config));
  if (!path.empty()) {
    SEG_ASSIGN_OR_RETURN(const std::string yaml, ReadFile(path));
    SEG_ASSIGN_OR_RETURN(const nlohmann::json tree, ParseYaml(yaml, path));
    if (!tree.is_object() || !tree.contains("data")) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": expected a section 'data', found none"));
    }
    text = ToYaml(tree["data"]);
  }
  std::vector<std::string> overrides;
  for (const std::string& key : keys) {  // data.pack=x and pack=x both do
    overrides.emplace_back(absl::StripPrefix(key, "data."));
  }
  DataConfig config;
  SEG_RETURN_IF_ERROR(ParseConfig(text, path, overrides, &config));
  SEG_RETURN_IF_ERROR(ValidateAugmentOptions(config.augment));
  return config;
}

absl::Status CheckFlags() {
  if (absl::GetFlag(FLAGS_out).empty()) {
    return absl::InvalidArgumentError(
        "flag --out: name the picture to write, e.g. --out=sheet.png");
  }
  if (absl::GetFlag(FLAGS_count) < 1 || absl::GetFlag(FLAGS_count) > 1000 ||
      absl::GetFlag(FLAGS_columns) < 1 || absl::GetFlag(FLAGS_cell) < 8 ||
      absl::GetFlag(FLAGS_cell) > 4096 || absl::GetFlag(FLAGS_first) < 0) {
    return absl::InvalidArgumentError(
        "expected --count in 1..1000, --columns >= 1, --cell in 8..4096 and "
        "--first >= 0");
  }
  return absl::OkStatus();
}

absl::Status Browse(const DataConfig& config) {
  SEG_ASSIGN_OR_RETURN(
      const auto dataset,
      OpenDataset(config, DataRoot(absl::GetFlag(FLAGS_data_root)),
                  absl::GetFlag(FLAGS_split)));
  const int64_t first = absl::GetFlag(FLAGS_first);
  const int64_t end =
      std::min(dataset->size(), first + absl::GetFlag(FLAGS_count));
  if (first >= end) {
    return absl::OutOfRangeError(
        absl::StrCat(config.pack, ": no sample ", first, ", the split '",
                     absl::GetFlag(FLAGS_split), "' has ", dataset->size()));
  }
  std::vector<Sample> samples;
  for (int64_t i = first; i < end; ++i) {
    SEG_ASSIGN_OR_RETURN(const Sample sample, dataset->Get(i));
    const uint64_t key =
        RandomKey({static_cast<uint64_t>(absl::GetFlag(FLAGS_seed)),
                   static_cast<uint64_t>(i)});
    samples.push_back(Augment(sample, dataset->info(), config.augment, key));
  }
  ContactSheetOptions options;
  options.columns = absl::GetFlag(FLAGS_columns);
  options.cell = absl::GetFlag(FLAGS_cell);
  const std::string out = ExpandHome(absl::GetFlag(FLAGS_out));
  SEG_RETURN_IF_ERROR(
      WriteImage(out, ContactSheet(samples, dataset->info(), options)));
  std::printf("%s: samples %ld to %ld of %ld\n", out.c_str(),
              static_cast<long>(first), static_cast<long>(end - 1),
              static_cast<long>(dataset->size()));
  const DatasetInfo& info = dataset->info();
  for (int64_t c = 0; c < info.num_classes(); ++c) {
    std::printf("  %3ld  #%02x%02x%02x  %s\n", static_cast<long>(c),
                info.palette[c][0], info.palette[c][1], info.palette[c][2],
                info.class_names[c].c_str());
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace seg

int main(int argc, char** argv) {
  seg::EnterWorkingDirectory();
  const auto args =
      seg::ParseToolFlags(argc, argv,
                          {"data_root", "config", "split", "out", "count",
                           "first", "seed", "columns", "cell"},
                          "Writes a contact sheet of samples.\nbrowse_dataset "
                          "[KEY=VALUE ...] --out=SHEET.png   e.g. pack=camvid "
                          "augment.flip=true");
  if (!args.ok()) return seg::Fail(seg::kExitUsage, args.status());
  if (args->help) return seg::kExitDone;
  if (const absl::Status status = seg::CheckFlags(); !status.ok()) {
    return seg::Fail(seg::kExitUsage, status);
  }
  const auto config = seg::ReadConfig(args->positional);
  if (!config.ok()) return seg::Fail(seg::kExitUsage, config.status());
  if (const absl::Status status = seg::Browse(*config); !status.ok()) {
    return seg::Fail(seg::kExitFailed, status);
  }
  return seg::kExitDone;
}
