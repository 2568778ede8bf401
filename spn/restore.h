// A trained model for eval and predict.
#ifndef SPN_RESTORE_H_
#define SPN_RESTORE_H_

#include "absl/status/statusor.h"
#include "common/config/main.h"
#include "common/training/restore.h"
#include "spn/config.h"
#include "spn/model.h"

namespace seg {
namespace spn {

struct Restored {
  Config config;  // the run's own, with the command line's overrides
  RestoredRun run;
  Model model{nullptr};  // on the run's device, in eval mode
};

// What --checkpoint and the overrides say. The file may hold parts that the
// configuration does not use (refine.type=none or coarse.source=data on a run
// that has both); what the configuration needs must be there.
absl::StatusOr<Restored> Restore(const MainArgs& args);

}  // namespace spn
}  // namespace seg

#endif  // SPN_RESTORE_H_
