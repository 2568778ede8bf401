#include "common/app/restore.h"

#include "absl/strings/str_cat.h"
#include "common/evaluation/same_classes.h"
#include "common/io/file.h"

namespace seg {

absl::StatusOr<TrainedRun> OpenMember(const TrainedRun& first,
                                      const std::string& member,
                                      const std::string& compare) {
  TrainedRun run = first;
  SEG_ASSIGN_OR_RETURN(run.ref, FindRun(ExpandHome(member)));
  // Of a file alone the classes are not known.
  if (run.ref.folder.empty()) return run;
  SEG_ASSIGN_OR_RETURN(run.info, ReadClasses(run.ref.folder));
  run.info.name = "inference.ensemble: " + member;
  SEG_RETURN_IF_ERROR(
      UsageError(CheckSameClasses(first.info, run.info, {}, compare)));
  return run;
}

absl::StatusOr<std::string> ConfigOf(const RunRef& run, const MainArgs& args) {
  if (!run.folder.empty()) return run.folder + "/config.yaml";
  if (!args.config.empty()) return args.config;
  return UsageError(absl::InvalidArgumentError(
      absl::StrCat(run.checkpoint,
                   ": lies in no run folder with a config.yaml; give the "
                   "model's configuration by --config")));
}

}  // namespace seg
