// What a Trainer learns from: the samples of a data set, or batches that a
// function makes (a generator network that feeds a segmenter).
#ifndef COMMON_TRAINING_TRAINING_DATA_H_
#define COMMON_TRAINING_TRAINING_DATA_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "common/datasets/batch_source.h"
#include "common/datasets/dataset.h"
#include "common/datasets/loader.h"

namespace seg {

struct TrainingData {
  DatasetInfo info;     // the classes are saved with the run
  int64_t samples = 0;  // of the data set; 0: there is none
  // The batches from `start_step` on, for a run with that seed.
  std::function<absl::StatusOr<std::unique_ptr<BatchSource>>(
      int64_t seed, int64_t start_step)>
      open;
};

// The batches of a BatchLoader. The run sets options.seed and .start_step.
TrainingData FromDataset(std::shared_ptr<const Dataset> dataset,
                         LoaderOptions options);

// Batches that `make` returns, on the device that trains (a batch elsewhere is
// moved there): images float32 [N,3,H,W], not rounded to 8 bits, and what else
// the task's loss reads; ids, step and epoch are filled in where it leaves ids
// empty.
//   make: called in the trainer's thread with gradients off. LibTorch's default
//     generators are seeded by (seed, step) before each call, so it may draw
//     from them; apart from that a function of (seed, step).
//   batches_per_epoch: >= 1; what train.epochs and validation once an epoch
//     count by.
// A c10::Error that `make` throws becomes an error that names the step.
TrainingData FromFunction(
    DatasetInfo info, int64_t batches_per_epoch,
    std::function<absl::StatusOr<Batch>(int64_t seed, int64_t step)> make);

}  // namespace seg

#endif  // COMMON_TRAINING_TRAINING_DATA_H_
