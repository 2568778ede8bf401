// A trained run, opened again by eval and predict.
//
//   seg::RestoredRun run;
//   SEG_ASSIGN_OR_RETURN(run, seg::OpenRun(args, &config));
//   Model model(config, run.info.num_classes());
//   SEG_RETURN_IF_ERROR(seg::LoadRunWeights(run, model.get()));
#ifndef COMMON_TRAINING_RESTORE_H_
#define COMMON_TRAINING_RESTORE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/status_macros.h"
#include "common/config/main.h"
#include "common/datasets/dataset.h"
#include "common/training/run_folder.h"
#include "torch/nn/module.h"

namespace seg {

struct RestoredRun {
  std::string checkpoint;  // as FindCheckpoint gives it
  DatasetInfo info;        // classes that the run was trained on
  c10::Device device = c10::kCPU;
};

namespace restore_internal {
absl::StatusOr<RestoredRun> Open(const MainArgs& args,
                                 const std::string& checkpoint);
}  // namespace restore_internal

// The run that --checkpoint means (default: the paper's newest), and in
// `*config` its configuration under the command line's overrides.
template <typename Config>
absl::StatusOr<RestoredRun> OpenRun(MainArgs args, Config* config) {
  SEG_ASSIGN_OR_RETURN(const std::string checkpoint, ResolveCheckpoint(&args));
  SEG_RETURN_IF_ERROR(LoadConfig(args, config));
  SEG_ASSIGN_OR_RETURN(const c10::Device device,
                       ResolveDevice(args.device, config->CpuOnly()));
  args.device = device.str();
  return restore_internal::Open(args, checkpoint);
}

// Loads the checkpoint into `module`, moves it to the run's device and into
// eval mode. Names for which `may_differ` is true may be missing in the file
// (a warning: they keep their starting values) or unexpected in it: parts that
// are switched on or off after training. Every other difference is an error
// that names it.
absl::Status LoadRunWeights(
    const RestoredRun& run, torch::nn::Module* module,
    const std::function<bool(const std::string& name, bool missing)>&
        may_differ = nullptr);

}  // namespace seg

#endif  // COMMON_TRAINING_RESTORE_H_
