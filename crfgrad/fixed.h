// predict without a run: a dense CRF on the class probabilities of another
// system has nothing that a training would have learned.
#ifndef CRFGRAD_FIXED_H_
#define CRFGRAD_FIXED_H_

#include "absl/status/status.h"
#include "common/app/main.h"

namespace seg {
namespace crfgrad {

// predict (common/app/predict.h). Where --config without --checkpoint names a
// configuration with unary.source=folder and model.inference=dense_crf, or fcn
// (the folder as it is), it needs no run: the classes are those of data.pack's
// dataset.yaml, nothing else of the pack is read.
absl::Status RunPredictWithOrWithoutRun(const MainArgs& args);

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_FIXED_H_
