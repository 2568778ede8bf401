// What a paper hands the Trainer.
//
// A step of the Trainer runs the task's phases in order; each phase has its own
// optimiser, its own loss and may run on every k-th step only:
//
//   one network, one loss            one phase
//   several networks, sampled losses one phase; module() holds the networks and
//                                    Loss draws from the default generators,
//                                    which the Trainer seeds by (seed, step)
//   adversarial training             two phases, {"discriminator",
//   "generator"};
//                                    a gradient penalty is a term of the
//                                    discriminator's loss at every k-th step,
//                                    not a phase
//   training in stages               Loss looks at `step`, or several Trainers
//                                    run one after the other
#ifndef COMMON_TRAINING_TASK_H_
#define COMMON_TRAINING_TASK_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/datasets/loader.h"
#include "common/training/optimizer.h"
#include "torch/nn/module.h"

namespace seg {

struct Phase {
  std::string name;  // "main", "discriminator"; part of file names: no dots
  std::vector<ParameterGroup> groups;
  int64_t every = 1;
};

struct StepLoss {
  at::Tensor loss;  // scalar, differentiated
  // Further scalars for the log; detached or not, read at logging steps only.
  std::vector<std::pair<std::string, at::Tensor>> logged = {};
};

class Task {
 public:
  virtual ~Task() = default;

  // All that is trained or tracked: its parameters and buffers are the
  // checkpoint. The Trainer moves it to the device and switches its mode.
  virtual torch::nn::Module& module() = 0;

  virtual std::vector<Phase> Phases() = 0;

  // Loss of a phase (index into Phases()) on a batch that lies on the device.
  virtual StepLoss Loss(int64_t phase, const Batch& batch, int64_t step) = 0;
};

}  // namespace seg

#endif  // COMMON_TRAINING_TASK_H_
