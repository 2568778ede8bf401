// Checkpoints of a run, and finding them again.
//
//   RUN/checkpoints/step-N/model.safetensors      parameters and buffers
//                          optimizer.safetensors  "PHASE.GROUP.INDEX.KIND"
//                          state.json             CheckpointState
//   RUN/checkpoints/{last,best}                   symbolic links to step-N
//
// A checkpoint is written whole and synced under a temporary name, then
// renamed; links are swapped by rename. So a kill at any moment leaves the
// previous checkpoint, and never a mixture of two.
#ifndef COMMON_TRAINING_CHECKPOINT_H_
#define COMMON_TRAINING_CHECKPOINT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/io/tensor_map.h"

namespace seg {

struct CheckpointState {
  int64_t step = 0;     // updates done
  int64_t seed = 0;     // random numbers are a function of (seed, step)
  int64_t samples = 0;  // of the training data; 0: not known (older runs)
  bool has_best = false;
  int64_t best_step = 0;
  double best_value = 0;
};

// Writes RUN/checkpoints/step-N and makes it `last`, and `best` where the state
// says that this step is the best. Removes all but the newest `keep`, the best
// and those that somebody reads (RunRef::held). Errors (kUnavailable,
// kResourceExhausted ...): path and reason; the previous checkpoint is
// untouched then.
absl::Status SaveCheckpoint(const std::string& run, const TensorMap& model,
                            const TensorMap& optimizer,
                            const CheckpointState& state, int64_t keep);

// Removes the checkpoints of steps after `step`: those of a run that goes on
// from there under another configuration.
absl::Status RemoveCheckpointsAfter(const std::string& run, int64_t step);

absl::StatusOr<CheckpointState> ReadCheckpointState(
    const std::string& checkpoint);

// A run, and which of its checkpoints is meant.
struct RunRef {
  std::string folder;      // "" for a weight file that lies in no run
  std::string checkpoint;  // RUN/checkpoints/step-N, or a weight file
  // Keeps a training that goes on from removing that checkpoint meanwhile.
  std::shared_ptr<const void> held;
};

// The run that a user means. All commands find it here.
//   named: a run folder (its best checkpoint, else its last), a checkpoint
//     folder (both are held), or a .safetensors or .pth file (which stays as it
//     is named); "" is the newest run with a checkpoint under `root`
//     ("runs/crfgrad").
// The run of a checkpoint is the next folder above it with a config.yaml, as an
// absolute path. kNotFound names the folder and the remedy.
absl::StatusOr<RunRef> FindRun(const std::string& named,
                               const std::string& root = "");

// The run that --resume means, at its last checkpoint: the folder `named` (as
// it is named), "" for the newest under `root`. It is not held: the training
// that goes on is the one that removes.
absl::StatusOr<RunRef> FindRunToResume(const std::string& named,
                                       const std::string& root = "");

// Whether a run folder holds a whole checkpoint, linked or not.
bool HoldsCheckpoint(const std::string& run);

// The tensors of a RunRef's checkpoint.
absl::StatusOr<TensorMap> ReadCheckpointModel(const std::string& checkpoint);

// The optimiser state in a checkpoint folder.
absl::StatusOr<TensorMap> ReadCheckpointOptimizer(
    const std::string& checkpoint);

}  // namespace seg

#endif  // COMMON_TRAINING_CHECKPOINT_H_
