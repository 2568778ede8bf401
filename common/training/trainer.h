// The training loop of every paper.
//
//   data --> BatchSource --> Task::Loss --> backward --> clip --> Optimizer
//                                   |  (for each phase of the task)
//            every validate_every steps: EvaluateAt, checkpoint, best
//   run folder: config.yaml env.json log.txt metrics.jsonl events checkpoints/
//               pictures report.html
//
// Exact: batch, augmentation and every draw from LibTorch's default generators
// are functions of (seed, step) - the generators are seeded anew before each
// step - so a run that was killed and resumed ends, on a CPU with the same
// number of threads, with the same bits as one that was not.
//
// Nothing is found late: before the first step (and before a new run folder is
// made) validation is rehearsed on a sample. An error in a step names the
// batch's files. One process at a time writes to a run folder.
//
// Safe: a step whose loss or gradient norm is not finite changes nothing (the
// optimiser skips it on the device); the run stops there and names the batch's
// files. No checkpoint is written after such a step.
#ifndef COMMON_TRAINING_TRAINER_H_
#define COMMON_TRAINING_TRAINER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/datasets/data_config.h"
#include "common/datasets/dataset.h"
#include "common/evaluation/evaluate.h"
#include "common/training/run_options.h"
#include "common/training/task.h"
#include "common/training/train_config.h"
#include "common/training/training_data.h"

namespace seg {

struct TrainerOptions {
  TrainConfig train;
  DataConfig data;          // workers and augmentation of a data set
  std::string config_text;  // resolved configuration, saved with the run
  // What is measured during training and at its end, on the module that the
  // task trains. Without a predictor nothing is: the last checkpoint counts,
  // and train.best_metric must be empty.
  EvaluationPlan evaluation = {};
};

class Trainer {
 public:
  // `task` must outlive the trainer.
  Trainer(RunOptions run, TrainerOptions options, Task* task,
          TrainingData data);
  // FromDataset with options.data and train.batch_size.
  Trainer(RunOptions run, TrainerOptions options, Task* task,
          std::shared_ptr<const Dataset> train_data);

  // Trains to the end, writes the report and prints the final table and the
  // report's path to stdout. dry_run: one step, a validation of a sample and
  // a save to a folder that is removed. Usage errors: a train.best_metric that
  // validation does not give, and those of resume.h and run_folder.h.
  // kCancelled after SIGINT or SIGTERM (a checkpoint is saved first); kDataLoss
  // for a step that is not finite.
  absl::Status Run();

 private:
  class Loop;
  RunOptions run_options_;
  TrainerOptions options_;
  Task* task_;
  TrainingData data_;
};

// Loads the weights that `path` names (run, checkpoint or weight file)
// into `module`: what agrees by name and shape is taken, but for names that
// `takes` refuses, and the rest is logged by name.
absl::Status InitFrom(
    const std::string& path, torch::nn::Module* module,
    const std::function<bool(const std::string& name)>& takes = nullptr);

}  // namespace seg

#endif  // COMMON_TRAINING_TRAINER_H_
