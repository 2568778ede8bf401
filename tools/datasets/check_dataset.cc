// Lists everything that is wrong with data packs, and what they hold.
//   bazel run //tools:check_dataset -- PACK [PACK ...] [--data_root=DIR]
// Exit code 0: no problems; 1: problems; 2: wrong usage.
#include <cstdio>
#include <string>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "common/base/printable.h"
#include "common/datasets/check.h"
#include "common/datasets/open.h"
#include "tools/datasets/tool_flags.h"

ABSL_FLAG(std::string, data_root, "",
          "folder of packs; default: the environment's SEG_DATA_ROOT");
ABSL_FLAG(bool, json, false, "print a JSON list instead of text");

int main(int argc, char** argv) {
  seg::EnterWorkingDirectory();
  const auto args = seg::ParseToolFlags(
      argc, argv, {"data_root", "json"},
      "check_dataset PACK [PACK ...]   PACK: a folder, or a name in the data "
      "root\nExit code 0: no problems, 1: problems, 2: wrong usage.");
  if (!args.ok()) return seg::Fail(seg::kExitUsage, args.status());
  if (args->help) return seg::kExitDone;
  if (args->positional.empty()) {
    return seg::Fail(seg::kExitUsage,
                     absl::InvalidArgumentError(
                         "name a pack: check_dataset PACK [PACK ...]"));
  }
  const std::string root = seg::DataRoot(absl::GetFlag(FLAGS_data_root));
  const bool as_json = absl::GetFlag(FLAGS_json);
  nlohmann::json all = nlohmann::json::array();
  bool clean = true;
  for (const std::string& pack : args->positional) {
    const auto folder = seg::FindPack(pack, root);
    if (!folder.ok()) return seg::Fail(seg::kExitUsage, folder.status());
    const seg::PackReport report = seg::CheckPack(*folder);
    clean = clean && report.problems.empty();
    if (as_json) {
      all.push_back(seg::ReportToJson(report));
    } else {
      std::printf("%s", seg::PrintableLines(seg::FormatReport(report)).c_str());
    }
  }
  if (as_json) {
    std::printf("%s\n", all.dump(2, ' ', false,
                                 nlohmann::json::error_handler_t::replace)
                            .c_str());
  }
  return clean ? seg::kExitDone : seg::kExitFailed;
}
