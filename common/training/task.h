// What a paper hands the Trainer.
//
// A step of the Trainer runs the task's phases in order; each phase has its own
// optimiser, its own loss and may run on every k-th step only:
//
//   one network, one loss            one phase
//   several networks, sampled losses one phase; module() holds the networks and
//                                    Loss draws from the default generators,
//                                    which the Trainer seeds by (seed, step)
//   adversarial training             two phases, "discriminator" and
//                                    "generator", each with an optimiser; a
//                                    gradient penalty is a term of the
//                                    discriminator's loss at every k-th step,
//                                    not a phase
//   a network that teaches another   FromFunction (training_data.h) runs the
//                                    first, the task trains the second
//   training in stages               phases with first_step and end_step; or
//                                    several Trainers run one after the other
#ifndef COMMON_TRAINING_TASK_H_
#define COMMON_TRAINING_TASK_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/datasets/loader.h"
#include "common/training/bound_watch.h"
#include "common/training/optimizer.h"
#include "torch/nn/module.h"

namespace seg {

struct Phase {
  std::string name;  // "main", "discriminator"; part of file names: no dots
  std::vector<ParameterGroup> groups;
  int64_t every = 1;  // runs at steps 0, every, 2 every, ...
  std::optional<OptimizerConfig> optimizer = {};  // default: train.optimizer
  // A stage: runs at steps first_step <= step < end_step alone.
  int64_t first_step = 0;
  int64_t end_step = std::numeric_limits<int64_t>::max();

  bool RunsAt(int64_t step) const {
    return step >= first_step && step < end_step && step % every == 0;
  }
};

struct StepLoss {
  at::Tensor loss;  // scalar, differentiated
  // Further scalars for the log; detached or not, read at logging steps only.
  std::vector<std::pair<std::string, at::Tensor>> logged = {};
};

// Freezes a part of a task's network for the rest of a run: eval mode (dropout
// is off, running statistics stand still) and no gradients.
inline void Freeze(torch::nn::Module& module) {
  module.eval();
  for (at::Tensor& parameter : module.parameters()) {
    parameter.set_requires_grad(false);
  }
}

class Task {
 public:
  virtual ~Task() = default;

  // All that is trained or tracked: its parameters and buffers are the
  // checkpoint. The Trainer moves it to the device.
  virtual torch::nn::Module& module() = 0;

  virtual std::vector<Phase> Phases() = 0;

  // Scalars that should not stay beyond a bound: the run warns once of each.
  // Their names are those in the log, with "PHASE_" before them where there are
  // several phases.
  virtual std::vector<ScalarBound> Bounds() { return {}; }

  // Whether --init_from gives the tensor of this name in module() its value,
  // where the other run has it; else it starts as in a run of its own.
  virtual bool TakesFromOtherRun(const std::string& /*name*/) const {
    return true;
  }

  // Called before each step: puts the module into the mode of that step. The
  // place of all freezing (Freeze, BatchNorm in eval mode); a function of
  // `step`, as a resumed run begins at any.
  virtual void SetTraining(int64_t step) { module().train(); }

  // What train.cuda_graphs may record (step_recorder.h): a number that is the
  // same for two steps where SetTraining and Loss launch the same work on a GPU
  // but for the batch's values, draw from the device's generator alone and wait
  // for nothing. Nothing: it is computed each time.
  virtual std::optional<int64_t> KindOfStep(int64_t /*phase*/,
                                            int64_t /*step*/) const {
    return std::nullopt;
  }

  // Loss of a phase (index into Phases()) on a batch that lies on the device.
  // Computes only: modes and freezing are SetTraining's.
  virtual StepLoss Loss(int64_t phase, const Batch& batch, int64_t step) = 0;
};

}  // namespace seg

#endif  // COMMON_TRAINING_TASK_H_
