// Which data pack an experiment of a protocol reads.
#ifndef TOOLS_REPRODUCE_NEEDED_PACK_H_
#define TOOLS_REPRODUCE_NEEDED_PACK_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/reproduction/protocol.h"

namespace seg {

// The folder under the data root that the experiment's data.pack names: its
// overrides count before its configuration file. "" for a generated set
// (synthetic:NAME, also the default), which needs no folder.
absl::StatusOr<std::string> NeededPack(const std::string& paper_dir,
                                       const Experiment& experiment);

}  // namespace seg

#endif  // TOOLS_REPRODUCE_NEEDED_PACK_H_
