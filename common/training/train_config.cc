#include "common/training/train_config.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace seg {

SEG_DEFINE_ENUM(OptimizerType, {OptimizerType::kSgd, "sgd"},
                {OptimizerType::kAdam, "adam"})
SEG_DEFINE_ENUM(Precision, {Precision::kFloat32, "float32"},
                {Precision::kTf32, "tf32"}, {Precision::kBf16, "bf16"})
SEG_DEFINE_ENUM(ScheduleType, {ScheduleType::kConstant, "constant"},
                {ScheduleType::kStep, "step"}, {ScheduleType::kPoly, "poly"},
                {ScheduleType::kInverse, "inverse"})
SEG_DEFINE_CONFIG(OptimizerConfig, type, lr, momentum, nesterov, beta1, beta2,
                  epsilon, weight_decay)
SEG_DEFINE_CONFIG(ScheduleConfig, type, power, gamma, milestones, hold_steps,
                  decay, decay_steps, warmup_steps)
SEG_DEFINE_CONFIG(TrainConfig, steps, epochs, batch_size, optimizer, schedule,
                  precision, cuda_graphs, clip_norm, log_every, validate_every,
                  checkpoint_every, keep_checkpoints, best_metric, best_is_max)
namespace {

constexpr double kMaxSteps = 1e12;

}  // namespace

std::vector<KeyRule> OptimizerConfig::Rules() {
  return {OneOf<OptimizerType>("type"),
          {"lr", 0, 1e6},
          {"momentum", 0, 1},
          {"beta1", 0, 1},
          {"beta2", 0, 1},
          {"epsilon", 0, 1},
          {"weight_decay", 0, 1e6}};
}

std::vector<KeyRule> ScheduleConfig::Rules() {
  return {OneOf<ScheduleType>("type"),
          {"power", 0, 100},
          {"gamma", 0, 1},
          {"milestones", 0, 1},
          {"hold_steps", 0, kMaxSteps},
          {"decay", 0, 1e6},
          {"decay_steps", 1, kMaxSteps},
          {"warmup_steps", 0, kMaxSteps}};
}

std::vector<KeyRule> TrainConfig::Rules() {
  std::vector<KeyRule> rules = {{"steps", 0, kMaxSteps},
                                {"epochs", 0, 1e6},
                                {"batch_size", 1, 1e5},
                                OneOf<Precision>("precision"),
                                {"clip_norm", 0},
                                {"log_every", 1, kMaxSteps},
                                {"validate_every", 0, kMaxSteps},
                                {"checkpoint_every", 0, kMaxSteps},
                                {"keep_checkpoints", 1, 1e6}};
  AddRules("optimizer", OptimizerConfig::Rules(), &rules);
  AddRules("schedule", ScheduleConfig::Rules(), &rules);
  return rules;
}

int64_t TotalSteps(const TrainConfig& config, int64_t epoch_steps) {
  if (config.steps > 0) return config.steps;
  return std::max<int64_t>(
      1, std::llround(config.epochs * static_cast<double>(epoch_steps)));
}

double ScheduleFactor(const ScheduleConfig& schedule, int64_t step,
                      int64_t steps) {
  if (step < schedule.warmup_steps) {
    return static_cast<double>(step + 1) /
           static_cast<double>(schedule.warmup_steps);
  }
  const double done = static_cast<double>(step) / static_cast<double>(steps);
  switch (schedule.type) {
    case ScheduleType::kConstant:
      return 1.0;
    case ScheduleType::kStep: {
      double factor = 1.0;
      for (const double milestone : schedule.milestones) {
        if (done >= milestone) factor *= schedule.gamma;
      }
      return factor;
    }
    case ScheduleType::kPoly:
      return std::pow(1.0 - done, schedule.power);
    case ScheduleType::kInverse: {
      if (step < schedule.hold_steps) return 1.0;
      const int64_t period =
          (step - schedule.hold_steps) / schedule.decay_steps + 1;
      return 1.0 / (1.0 + schedule.decay * static_cast<double>(period));
    }
  }
  return 1.0;  // not reached
}

}  // namespace seg
