// A trained model for eval and predict.
#ifndef CRFGRAD_RESTORE_H_
#define CRFGRAD_RESTORE_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/config/main.h"
#include "common/datasets/dataset.h"
#include "crfgrad/config.h"
#include "crfgrad/model.h"

namespace seg {
namespace crfgrad {

struct Restored {
  Config config;  // the run's own, with the command line's overrides
  std::string checkpoint;
  DatasetInfo info;  // classes that the run was trained on
  c10::Device device = c10::kCPU;
  Model model{nullptr};  // on `device`, in eval mode
};

// What --checkpoint (default: the newest run) and the overrides say. Weights
// that the model lacks are passed over (an FCN's run evaluated with
// model.inference=dense_crf has none of the CRF layer's), missing ones are an
// error unless they are the CRF layer's.
absl::StatusOr<Restored> Restore(MainArgs args);

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_RESTORE_H_
