#include "common/training/optimizer.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

at::Tensor Leaf(std::vector<double> values) {
  return at::tensor(values, at::kDouble).set_requires_grad(true);
}

at::Tensor Zero() { return at::zeros({}, at::kFloat); }

void SetGradient(at::Tensor& parameter, std::vector<double> values) {
  parameter.mutable_grad() = at::tensor(values, at::kDouble);
}

std::vector<double> Values(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

TEST(OptimizerTest, SgdByHand) {
  at::Tensor p = Leaf({1.0, -2.0});
  OptimizerConfig config;
  config.momentum = 0.5;
  config.weight_decay = 0.1;
  Optimizer optimizer(config, {{"g", {p}}});
  SetGradient(p, {1.0, 0.0});
  optimizer.Step(0.1, Zero());
  // g + wd p = (1.1, -0.2); b the same; p -= 0.1 b.
  EXPECT_THAT(Values(p),
              testing::Pointwise(testing::DoubleNear(1e-15), {0.89, -1.98}));
  SetGradient(p, {1.0, 0.0});
  optimizer.Step(0.1, Zero());
  // g = (1.089, -0.198); b = 0.5 b + g = (1.639, -0.298).
  EXPECT_THAT(Values(p), testing::Pointwise(testing::DoubleNear(1e-15),
                                            {0.7261, -1.9502}));
}

// L2 decay is part of the gradient (not that of AdamW), and epsilon is added
// after the correction of the second moment.
TEST(OptimizerTest, AdamFollowsItsDefinition) {
  OptimizerConfig config;
  config.type = OptimizerType::kAdam;
  config.weight_decay = 0.01;
  OptimizerConfig other = config;
  other.beta1 = 0.8;
  other.beta2 = 0.95;
  other.epsilon = 0.1;
  for (const OptimizerConfig& c : {config, other}) {
    at::Tensor p = Leaf({1.0, -2.0, 0.5});
    Optimizer optimizer(c, {{"g", {p}}});
    std::vector<double> expected = Values(p), m(3), v(3);
    for (int t = 1; t <= 5; ++t) {
      std::vector<double> gradient = {0.3 * t, -1.0, std::sin(t)};
      SetGradient(p, gradient);
      optimizer.Step(0.01, Zero());
      for (int i = 0; i < 3; ++i) {
        const double g = gradient[i] + 0.01 * expected[i];
        m[i] = c.beta1 * m[i] + (1 - c.beta1) * g;
        v[i] = c.beta2 * v[i] + (1 - c.beta2) * g * g;
        expected[i] -=
            0.01 * (m[i] / (1 - std::pow(c.beta1, t))) /
            (std::sqrt(v[i] / (1 - std::pow(c.beta2, t))) + c.epsilon);
      }
    }
    // The kernel works in double with another order of operations.
    EXPECT_THAT(Values(p),
                testing::Pointwise(testing::DoubleNear(1e-12), expected));
  }
}

TEST(OptimizerTest, GroupsHaveTheirOwnRateAndDecay) {
  at::Tensor a = Leaf({1.0}), b = Leaf({1.0}), c = Leaf({1.0});
  OptimizerConfig config;
  config.momentum = 0;
  config.weight_decay = 1.0;
  Optimizer optimizer(config,
                      {{"a", {a}}, {"b", {b}, 2.0, 0.0}, {"c", {c}, 0.0}});
  for (at::Tensor* p : {&a, &b, &c}) SetGradient(*p, {1.0});
  optimizer.Step(0.1, Zero());
  EXPECT_DOUBLE_EQ(a.item<double>(), 0.8);  // decay of the optimiser
  EXPECT_DOUBLE_EQ(b.item<double>(), 0.8);  // twice the rate, no decay
  EXPECT_DOUBLE_EQ(c.item<double>(), 1.0);  // frozen
}

TEST(OptimizerTest, SkipLeavesEverythingAsItIs) {
  for (const OptimizerType type : {OptimizerType::kSgd, OptimizerType::kAdam}) {
    at::Tensor p = Leaf({1.0});
    OptimizerConfig config;
    config.type = type;
    Optimizer optimizer(config, {{"g", {p}}});
    SetGradient(p, {std::nan("")});
    optimizer.Step(0.1, at::ones({}, at::kFloat));
    EXPECT_EQ(p.item<double>(), 1.0) << EnumName(type);
    for (const auto& [name, tensor] : optimizer.State()) {
      EXPECT_EQ(tensor.abs().sum().item<double>(), 0.0) << name;
    }
  }
}

TEST(OptimizerTest, ParametersWithoutGradientStay) {
  at::Tensor p = Leaf({1.0}), q = Leaf({1.0});
  Optimizer optimizer(OptimizerConfig(), {{"g", {p, q}}});
  SetGradient(q, {1.0});
  optimizer.Step(0.1, Zero());
  EXPECT_EQ(p.item<double>(), 1.0);
  EXPECT_NE(q.item<double>(), 1.0);
  optimizer.ZeroGradients();
  EXPECT_FALSE(q.grad().defined());
  EXPECT_EQ(optimizer.GradientNorm().item<float>(), 0.0f);
}

TEST(OptimizerTest, NormAndClipping) {
  at::Tensor p = Leaf({0.0, 0.0}), q = Leaf({0.0});
  Optimizer optimizer(OptimizerConfig(), {{"g", {p}}, {"h", {q}}});
  SetGradient(p, {3.0, 0.0});
  SetGradient(q, {4.0});
  const at::Tensor norm = optimizer.GradientNorm();
  EXPECT_FLOAT_EQ(norm.item<float>(), 5.0f);
  optimizer.ClipGradients(10.0, norm);
  EXPECT_DOUBLE_EQ(q.grad().item<double>(), 4.0);
  optimizer.ClipGradients(2.5, norm);
  EXPECT_DOUBLE_EQ(q.grad().item<double>(), 2.0);
  EXPECT_DOUBLE_EQ(p.grad()[0].item<double>(), 1.5);
}

TEST(OptimizerTest, StateGoesThereAndBack) {
  for (const OptimizerType type : {OptimizerType::kSgd, OptimizerType::kAdam}) {
    at::Tensor p = Leaf({1.0, 2.0}), q = Leaf({1.0, 2.0});
    OptimizerConfig config;
    config.type = type;
    Optimizer first(config, {{"g", {p}}}), second(config, {{"g", {q}}});
    SetGradient(p, {1.0, -1.0});
    first.Step(0.1, Zero());
    q.detach().copy_(p.detach());
    TensorMap copy;
    for (const auto& [name, tensor] : first.State()) {
      copy[name] = tensor.clone();
    }
    ASSERT_OK(second.LoadState(copy));
    SetGradient(p, {0.5, 2.0});
    SetGradient(q, {0.5, 2.0});
    first.Step(0.1, Zero());
    second.Step(0.1, Zero());
    EXPECT_TRUE(at::equal(p, q)) << EnumName(type);

    copy.erase("g.0.first");
    EXPECT_THAT(second.LoadState(copy),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("g.0.first is missing")));
  }
}

TEST(OptimizerTest, RefusesWhatIsNoParameter) {
  const at::Tensor p = Leaf({1.0});
  EXPECT_THROW(Optimizer(OptimizerConfig(), {{"g", {p * 2}}}), c10::Error);
  const at::Tensor strided =
      at::zeros({4}, at::kDouble).slice(0, 0, 4, 2).set_requires_grad(true);
  EXPECT_THROW(Optimizer(OptimizerConfig(), {{"g", {strided}}}), c10::Error);
}

TEST(ScheduleFactorTest, EachKind) {
  ScheduleConfig schedule;
  EXPECT_EQ(ScheduleFactor(schedule, 99, 100), 1.0);
  schedule.type = ScheduleType::kPoly;
  schedule.power = 2;
  EXPECT_DOUBLE_EQ(ScheduleFactor(schedule, 50, 100), 0.25);
  schedule.type = ScheduleType::kStep;
  schedule.milestones = {0.5, 0.75};
  EXPECT_DOUBLE_EQ(ScheduleFactor(schedule, 49, 100), 1.0);
  EXPECT_DOUBLE_EQ(ScheduleFactor(schedule, 50, 100), 0.1);
  EXPECT_DOUBLE_EQ(ScheduleFactor(schedule, 75, 100), 0.01);
  schedule.warmup_steps = 4;
  EXPECT_DOUBLE_EQ(ScheduleFactor(schedule, 0, 100), 0.25);
  EXPECT_DOUBLE_EQ(ScheduleFactor(schedule, 3, 100), 1.0);
}

// Sohn et al. 2015, as their code has it: epochs t = 1, 2, ... of 20 steps,
// lr / (1 + 0.001 (t - 500)) for t > 500.
TEST(ScheduleFactorTest, InverseOfTime) {
  ScheduleConfig schedule;
  schedule.type = ScheduleType::kInverse;
  schedule.hold_steps = 10000;
  schedule.decay = 0.001;
  schedule.decay_steps = 20;
  for (int64_t step : {0, 9999, 10000, 10019, 10020, 15999}) {
    const double t = static_cast<double>(step / 20 + 1);
    EXPECT_DOUBLE_EQ(ScheduleFactor(schedule, step, 16000),
                     t > 500 ? 1.0 / (1.0 + 0.001 * (t - 500)) : 1.0)
        << step;
  }
  EXPECT_DOUBLE_EQ(ScheduleFactor(schedule, 15999, 16000), 1.0 / 1.3);
  schedule.hold_steps = 0;
  schedule.decay_steps = 1;
  EXPECT_DOUBLE_EQ(ScheduleFactor(schedule, 0, 10), 1.0 / 1.001);
}

}  // namespace
}  // namespace seg
