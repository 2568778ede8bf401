// A trained model for eval and predict.
#ifndef CRFGRAD_RESTORE_H_
#define CRFGRAD_RESTORE_H_

#include "absl/status/statusor.h"
#include "common/config/main.h"
#include "common/training/restore.h"
#include "crfgrad/config.h"
#include "crfgrad/model.h"

namespace seg {
namespace crfgrad {

struct Restored {
  Config config;  // the run's own, with the command line's overrides
  RestoredRun run;
  Model model{nullptr};  // on the run's device, in eval mode
};

// What --checkpoint and the overrides say. Weights of the CRF layer may be
// missing or too many (model.inference=dense_crf on a run of either kind).
absl::StatusOr<Restored> Restore(const MainArgs& args);

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_RESTORE_H_
