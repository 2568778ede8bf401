// Trained models for eval and predict.
#ifndef CGM_RESTORE_H_
#define CGM_RESTORE_H_

#include <vector>

#include "absl/status/statusor.h"
#include "cgm/config.h"
#include "cgm/model.h"
#include "common/config/main.h"
#include "common/training/restore.h"

namespace seg {
namespace cgm {

struct Restored {
  Config config;  // the run's own, with the command line's overrides
  RestoredRun run;
  // On the run's device, in eval mode: that of --checkpoint, then those of
  // inference.ensemble.
  std::vector<Model> models;
};

// What --checkpoint and the overrides say. Every model of an ensemble has the
// configuration of the first; heads for training alone may be missing.
absl::StatusOr<Restored> Restore(const MainArgs& args);

}  // namespace cgm
}  // namespace seg

#endif  // CGM_RESTORE_H_
