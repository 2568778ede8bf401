// The `train` section of every paper's configuration.
#ifndef COMMON_TRAINING_TRAIN_CONFIG_H_
#define COMMON_TRAINING_TRAIN_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/config.h"
#include "nlohmann/json.hpp"

namespace seg {

enum class OptimizerType { kSgd, kAdam };
SEG_DECLARE_ENUM(OptimizerType)

struct OptimizerConfig {
  OptimizerType type = OptimizerType::kSgd;
  double lr = 0.01;         // times each parameter group's own factor
  double momentum = 0.9;    // sgd
  bool nesterov = false;    // sgd
  double beta1 = 0.9;       // adam
  double beta2 = 0.999;     // adam
  double epsilon = 1e-8;    // adam
  double weight_decay = 0;  // L2; a parameter group may have its own

  static std::vector<KeyRule> Rules();
};

// How the losses of a step are computed; validation is in float32 or tf32.
//   float32  every product in float32
//   tf32     on a GPU from Ampere on, convolutions and matrix products round
//            their inputs to 10 bits of mantissa; elsewhere the same as float32
//   bf16     LibTorch's autocast: convolutions and matrix products in bfloat16,
//            what loses by it in float32; parameters stay as they are
enum class Precision { kFloat32, kTf32, kBf16 };
SEG_DECLARE_ENUM(Precision)

enum class ScheduleType { kConstant, kStep, kPoly, kInverse };
SEG_DECLARE_ENUM(ScheduleType)

struct ScheduleConfig {
  ScheduleType type = ScheduleType::kConstant;
  double power = 0.9;  // poly: (1 - step / steps)^power
  double gamma = 0.1;  // step: factor at each milestone
  // step: fractions of the run, in (0, 1).
  std::vector<double> milestones = {0.5, 0.75};
  // inverse: 1 for hold_steps steps, then 1 / (1 + decay k) in the k-th
  // decay_steps steps after them (k = 1, 2, ...).
  int64_t hold_steps = 0;
  double decay = 0.001;
  int64_t decay_steps = 1;
  int64_t warmup_steps = 0;  // linear from 0, before any of them

  static std::vector<KeyRule> Rules();
};

struct TrainConfig {
  // Length of the run: `steps`, or where that is 0 `epochs`.
  int64_t steps = 0;
  double epochs = 10;
  int64_t batch_size = 8;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  Precision precision = Precision::kTf32;
  // On a GPU: record the work of a step and replay it, in systems whose steps
  // allow it (Task::KindOfStep). The same results.
  bool cuda_graphs = false;
  double clip_norm = 0;          // of all gradients of a phase; 0: off
  int64_t log_every = 20;        // steps
  int64_t validate_every = 0;    // steps; 0: once an epoch
  int64_t checkpoint_every = 0;  // steps; 0: with each validation
  int64_t keep_checkpoints = 2;  // newest ones; the best is kept beside them
  // One that validation gives; "": the last checkpoint is the best.
  std::string best_metric = "mean_iou";
  bool best_is_max = true;

  static std::vector<KeyRule> Rules();
};

SEG_DECLARE_CONFIG(OptimizerConfig)
SEG_DECLARE_CONFIG(ScheduleConfig)
SEG_DECLARE_CONFIG(TrainConfig)

// The updates of a run whose epochs have `epoch_steps` of them.
int64_t TotalSteps(const TrainConfig& config, int64_t epoch_steps);

// The factor on the learning rate at `step` of `steps` (0 <= step < steps).
double ScheduleFactor(const ScheduleConfig& schedule, int64_t step,
                      int64_t steps);

}  // namespace seg

#endif  // COMMON_TRAINING_TRAIN_CONFIG_H_
