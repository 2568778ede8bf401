// Masks of other values, or of colours, to masks of class ids.
//   bazel run //tools:convert_masks -- MASKS --out=DIR 255=1
//   bazel run //tools:convert_masks -- MASKS --out=DIR 0,0,0=0 128,64,128=1
//   bazel run //tools:convert_masks -- MASKS --out=DIR --colours_of=PACK
// MASKS: a file, a folder (with the folders in it) or a glob. FROM=TO: a value,
// or a colour R,G,B, and the id that it becomes. Of a grey or palette PNG
// values without a rule stay as they are; of a colour mask every colour needs
// one. Exit code 0; 1: a mask could not be converted (the others are); 2: wrong
// usage.
#include <array>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/app/inputs.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/datasets/open.h"
#include "common/datasets/pack.h"
#include "common/io/file.h"
#include "common/io/image.h"
#include "common/io/voc_palette.h"
#include "tools/datasets/tool_flags.h"

ABSL_FLAG(std::string, out, "", "folder to write to (required)");
ABSL_FLAG(std::string, colours_of, "",
          "pack whose dataset.yaml says which colour means which class");
ABSL_FLAG(std::string, data_root, "",
          "folder of packs; default: the environment's SEG_DATA_ROOT");

namespace seg {
namespace {

namespace fs = std::filesystem;

struct Rules {
  std::map<uint8_t, uint8_t> values;
  std::map<std::array<uint8_t, 3>, uint8_t> colours;
  Palette palette = VocPalette();  // of what is written
};

bool ParseByte(absl::string_view text, uint8_t* byte) {
  int value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < 0 || value > 255) return false;
  *byte = static_cast<uint8_t>(value);
  return true;
}

absl::Status AddRule(const std::string& rule, Rules* rules) {
  const std::vector<std::string> sides = absl::StrSplit(rule, '=');
  uint8_t to = 0;
  if (sides.size() == 2 && ParseByte(sides[1], &to)) {
    const std::vector<std::string> parts = absl::StrSplit(sides[0], ',');
    std::array<uint8_t, 3> from = {};
    bool valid = parts.size() == 1 || parts.size() == 3;
    for (size_t i = 0; valid && i < parts.size(); ++i) {
      valid = ParseByte(parts[i], &from[i]);
    }
    if (valid && parts.size() == 1) rules->values[from[0]] = to;
    if (valid && parts.size() == 3) rules->colours[from] = to;
    if (valid) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "'", rule,
      "': expected FROM=TO, a value (255=1) or a colour (128,64,128=1), each "
      "number in 0..255"));
}

absl::StatusOr<Rules> ReadRules(const std::vector<std::string>& arguments) {
  Rules rules;
  const std::string pack = absl::GetFlag(FLAGS_colours_of);
  if (!pack.empty()) {
    SEG_ASSIGN_OR_RETURN(
        const std::string folder,
        FindPack(pack, DataRoot(absl::GetFlag(FLAGS_data_root))));
    SEG_ASSIGN_OR_RETURN(const DatasetInfo info, ReadPackInfo(folder));
    rules.palette = info.palette;
    for (int64_t c = 0; c < info.num_classes(); ++c) {
      if (!rules.colours.emplace(info.palette[c], c).second) {
        return absl::InvalidArgumentError(
            absl::StrCat(folder, "/dataset.yaml: class ", c, " (",
                         info.class_names[c], ") has the colour of another"));
      }
    }
  }
  for (size_t i = 1; i < arguments.size(); ++i) {
    SEG_RETURN_IF_ERROR(AddRule(arguments[i], &rules));
  }
  if (rules.values.empty() == rules.colours.empty()) {
    return absl::InvalidArgumentError(
        "give rules of values (255=1), or of colours (128,64,128=1, "
        "--colours_of=PACK)");
  }
  return rules;
}

absl::StatusOr<at::Tensor> ConvertValues(const std::string& path,
                                         const Rules& rules) {
  SEG_ASSIGN_OR_RETURN(at::Tensor mask, ReadMask(path));
  std::array<uint8_t, 256> table;
  for (int i = 0; i < 256; ++i) table[i] = static_cast<uint8_t>(i);
  for (const auto& [from, to] : rules.values) table[from] = to;
  uint8_t* labels = mask.mutable_data_ptr<uint8_t>();
  for (int64_t i = 0; i < mask.numel(); ++i) labels[i] = table[labels[i]];
  return mask;
}

absl::StatusOr<at::Tensor> ConvertColours(const std::string& path,
                                          const Rules& rules) {
  SEG_ASSIGN_OR_RETURN(const at::Tensor image, ReadImage(path));
  const int64_t width = image.size(2), pixels = image.size(1) * width;
  at::Tensor mask = at::empty({image.size(1), width}, at::kByte);
  const uint8_t* rgb = image.const_data_ptr<uint8_t>();
  uint8_t* labels = mask.mutable_data_ptr<uint8_t>();
  auto last = rules.colours.begin();  // neighbours mostly have one colour
  for (int64_t i = 0; i < pixels; ++i) {
    const std::array<uint8_t, 3> colour = {rgb[i], rgb[pixels + i],
                                           rgb[2 * pixels + i]};
    if (colour != last->first) {
      const auto found = rules.colours.find(colour);
      if (found == rules.colours.end()) {
        return absl::InvalidArgumentError(absl::StrCat(
            path, ": colour ", colour[0], ",", colour[1], ",", colour[2],
            " at row ", i / width, ", column ", i % width, " has no rule; add ",
            colour[0], ",", colour[1], ",", colour[2], "=ID (255: void)"));
      }
      last = found;
    }
    labels[i] = last->second;
  }
  return mask;
}

absl::Status Convert(const std::string& masks, const Rules& rules) {
  const std::string out = ExpandHome(absl::GetFlag(FLAGS_out));
  SEG_ASSIGN_OR_RETURN(const std::vector<InputFile> files,
                       ListInputs(ExpandHome(masks), out));
  SEG_RETURN_IF_ERROR(CheckOutputs(files, out, {".png"}));
  size_t failed = 0;
  for (const InputFile& file : files) {
    const std::string path = (fs::path(out) / (file.name + ".png")).string();
    absl::StatusOr<at::Tensor> mask = rules.colours.empty()
                                          ? ConvertValues(file.path, rules)
                                          : ConvertColours(file.path, rules);
    std::error_code error;  // WriteMask names what is in the way
    fs::create_directories(fs::path(path).parent_path(), error);
    const absl::Status status =
        mask.ok() ? WriteMask(path, *mask, rules.palette) : mask.status();
    if (status.ok()) continue;
    LogWarning(std::string(status.message()));
    ++failed;
  }
  std::printf("%zu masks written to %s\n", files.size() - failed, out.c_str());
  if (failed == 0) return absl::OkStatus();
  return absl::UnknownError(absl::StrCat(
      failed, " of ", files.size(), " masks failed, for the reasons above"));
}

}  // namespace
}  // namespace seg

int main(int argc, char** argv) {
  seg::EnterWorkingDirectory();
  const auto args = seg::ParseToolFlags(
      argc, argv, {"out", "colours_of", "data_root"},
      "Masks of other values, or of colours, to masks of class ids.\n"
      "convert_masks MASKS --out=DIR FROM=TO ...   MASKS: a folder, file or "
      "glob; FROM: a value (255=1)\nor a colour (128,64,128=1)");
  if (!args.ok()) return seg::Fail(seg::kExitUsage, args.status());
  if (args->help) return seg::kExitDone;
  if (args->positional.empty() || absl::GetFlag(FLAGS_out).empty()) {
    return seg::Fail(
        seg::kExitUsage,
        absl::InvalidArgumentError(
            "name the masks and where to write: convert_masks MASKS --out=DIR "
            "FROM=TO ..."));
  }
  const auto rules = seg::ReadRules(args->positional);
  if (!rules.ok()) return seg::Fail(seg::kExitUsage, rules.status());
  const absl::Status status = seg::Convert(args->positional[0], *rules);
  return status.ok() ? seg::kExitDone : seg::Fail(seg::kExitFailed, status);
}
