#include "common/app/restore.h"

#include "common/evaluation/same_classes.h"
#include "common/io/file.h"
#include "common/training/checkpoint.h"
#include "common/training/run_folder.h"

namespace seg {

absl::StatusOr<RestoredRun> OpenMember(const RestoredRun& first,
                                       const std::string& member,
                                       const std::string& compare) {
  RestoredRun run = first;
  SEG_ASSIGN_OR_RETURN(run.checkpoint, FindCheckpoint(ExpandHome(member)));
  const std::string folder = RunOfCheckpoint(run.checkpoint);
  // Of a file alone the classes are not known.
  if (folder.empty()) return run;
  SEG_ASSIGN_OR_RETURN(run.info, ReadClasses(folder));
  run.info.name = "inference.ensemble: " + member;
  SEG_RETURN_IF_ERROR(
      UsageError(CheckSameClasses(first.info, run.info, {}, compare)));
  return run;
}

}  // namespace seg
