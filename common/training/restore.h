// A trained run, opened again by eval and predict.
//
//   SEG_ASSIGN_OR_RETURN(const seg::RunRef ref, seg::FindRun(named));
//   SEG_ASSIGN_OR_RETURN(const seg::TrainedRun run,
//                        seg::OpenTrainedRun(ref, device));
//   Model model(config, run.info.num_classes());
//   SEG_RETURN_IF_ERROR(seg::LoadRunWeights(run, model.get()));
#ifndef COMMON_TRAINING_RESTORE_H_
#define COMMON_TRAINING_RESTORE_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "c10/core/Device.h"
#include "common/datasets/dataset.h"
#include "common/training/checkpoint.h"
#include "torch/nn/module.h"

namespace seg {

struct TrainedRun {
  RunRef ref;
  DatasetInfo info;  // classes that the run was trained on
  c10::Device device = c10::kCPU;
};

// Reads the run's classes; its weights are read by LoadRunWeights.
absl::StatusOr<TrainedRun> OpenTrainedRun(const RunRef& ref,
                                          c10::Device device);

// Loads the checkpoint into `module`, moves it to the run's device and into
// eval mode. Names for which `may_differ` is true may be missing in the file
// (a warning: they keep their starting values) or unexpected in it: parts that
// are switched on or off after training. Every other difference is an error
// that names it.
absl::Status LoadRunWeights(
    const TrainedRun& run, torch::nn::Module* module,
    const std::function<bool(const std::string& name, bool missing)>&
        may_differ = nullptr);

}  // namespace seg

#endif  // COMMON_TRAINING_RESTORE_H_
