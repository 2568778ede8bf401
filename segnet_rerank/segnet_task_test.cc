#include "segnet_rerank/segnet_task.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "common/config/config.h"
#include "common/datasets/dataset.h"
#include "common/datasets/synthetic/scenes.h"
#include "common/losses/expected_iou.h"
#include "common/losses/soft_cross_entropy.h"
#include "common/testing/status_matchers.h"
#include "common/training/optimizer.h"
#include "common/training/train_config.h"
#include "segnet_rerank/coarse.h"

namespace seg {
namespace segnet_rerank {
namespace {

constexpr int64_t kClasses = 4;  // of scenes

SegNetLossConfig LossOf(SegNetLossType type) {
  SegNetLossConfig config;
  config.type = type;
  return config;
}

SegNetConfig SmallConfig() {
  SegNetConfig config;
  config.trunk = Trunk::kTiny;
  config.weights = "";
  config.grid = 6;
  config.width = 16;
  config.dropout = 0;
  return config;
}

Batch Scenes(int64_t count) {
  ScenesOptions options;
  options.height = 48;
  options.width = 64;
  std::vector<at::Tensor> images, masks;
  for (int64_t i = 0; i < count; ++i) {
    const Sample sample = MakeScene(options, i);
    images.push_back(sample.image);
    masks.push_back(sample.mask);
  }
  Batch batch;
  batch.images = at::stack(images).to(at::kFloat);
  batch.masks = at::stack(masks).to(at::kLong);
  return batch;
}

double Value(const StepLoss& loss) { return loss.loss.item<double>(); }

// The values of all loss types on the same scores.
class SegNetLossTest : public ::testing::Test {
 protected:
  SegNetLossTest() {
    at::manual_seed(4);
    scores_ = at::randn({2, 3, 5, 5}, at::kDouble);
    target_ = at::softmax(2 * at::randn({2, 3, 5, 5}, at::kDouble), 1);
    target_.narrow(2, 0, 1).zero_();  // ten void cells
  }

  double CrossEntropy() const {
    return (SoftCrossEntropySum(scores_, target_) / 40).item<double>();
  }
  double Iou() const {
    return ExpectedIou(scores_, target_).value.item<double>();
  }
  double Uoi() const {
    return ExpectedUoi(scores_, target_).value.item<double>();
  }

  at::Tensor scores_, target_;
};

TEST_F(SegNetLossTest, Types) {
  const auto loss = [&](SegNetLossType type) {
    return Value(SegNetLoss(scores_, target_, LossOf(type), 0));
  };
  EXPECT_NEAR(loss(SegNetLossType::kCrossEntropy), CrossEntropy(), 1e-12);
  EXPECT_NEAR(loss(SegNetLossType::kIou), -Iou(), 1e-12);
  EXPECT_NEAR(loss(SegNetLossType::kUoi), Uoi(), 1e-12);
  EXPECT_NEAR(loss(SegNetLossType::kMix), 0.7 * Uoi() + 0.3 * CrossEntropy(),
              1e-12);
}

TEST_F(SegNetLossTest, CrossEntropyStepsComeFirst) {
  SegNetLossConfig config = LossOf(SegNetLossType::kUoi);
  config.cross_entropy_steps = 10;
  const auto at_step = [&](int64_t step) {
    return Value(SegNetLoss(scores_, target_, config, step));
  };
  EXPECT_NEAR(at_step(0), CrossEntropy(), 1e-12);
  EXPECT_NEAR(at_step(9), CrossEntropy(), 1e-12);
  EXPECT_NEAR(at_step(10), Uoi(), 1e-12);
}

TEST_F(SegNetLossTest, Scales) {
  SegNetLossConfig config = LossOf(SegNetLossType::kMix);
  config.scale = ExpectedIouScale::kSum;
  config.cross_entropy = CrossEntropyReduction::kSum;
  config.uoi_weight = 2;
  config.cross_entropy_weight = 0.5;
  EXPECT_NEAR(Value(SegNetLoss(scores_, target_, config, 0)),
              2 * 3 * Uoi() + 0.5 * 40 * CrossEntropy(), 1e-11);
}

TEST_F(SegNetLossTest, LogsWhatTheFloorsDid) {
  target_.select(1, 2).zero_();
  target_[0][2][1][1] = 0.01;  // a rare class
  scores_[0][0][2][2] = -50;   // raised where it is true
  SegNetLossConfig config = LossOf(SegNetLossType::kUoi);
  config.min_target_mass = 0.05;
  const StepLoss loss = SegNetLoss(scores_, target_, config, 0);
  std::vector<std::pair<std::string, int64_t>> logged;
  for (const auto& [name, value] : loss.logged) {
    logged.emplace_back(name, value.item<int64_t>());
  }
  using ::testing::Pair;
  EXPECT_THAT(logged,
              ::testing::ElementsAre(Pair("counted", 2), Pair("skipped", 1),
                                     Pair("raised", 1)));
}

TEST_F(SegNetLossTest, OfVoidAloneIsZero) {
  for (const SegNetLossType type :
       {SegNetLossType::kCrossEntropy, SegNetLossType::kIou,
        SegNetLossType::kUoi, SegNetLossType::kMix}) {
    const at::Tensor leaf = scores_.clone().set_requires_grad(true);
    const StepLoss loss =
        SegNetLoss(leaf, at::zeros_like(target_), LossOf(type), 0);
    EXPECT_EQ(Value(loss), 0);
    loss.loss.backward();
    EXPECT_EQ(leaf.grad().abs().max().item<double>(), 0);
  }
}

TEST(SegNetLossConfigTest, BindsToYaml) {
  SegNetLossConfig config;
  EXPECT_OK(ParseConfig(
      "type: uoi\ncross_entropy_steps: 400\nscale: sum\ncross_entropy: sum\n",
      "a.yaml", {"min_target_mass=0.5"}, &config));
  EXPECT_EQ(config.type, SegNetLossType::kUoi);
  EXPECT_EQ(config.cross_entropy_steps, 400);
  EXPECT_EQ(config.scale, ExpectedIouScale::kSum);
  EXPECT_EQ(config.cross_entropy, CrossEntropyReduction::kSum);
  EXPECT_EQ(config.min_target_mass, 0.5);
  EXPECT_THAT(ParseConfig("type: dice\n", "a.yaml", {}, &config),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::HasSubstr("cross_entropy")));
}

TEST(SegNetTaskTest, LossIsThatOfTheSharesOfTheMasks) {
  at::manual_seed(3);
  SegNet net(SmallConfig(), kClasses);
  SegNetTask task(LossOf(SegNetLossType::kMix), net, /*ignore_label=*/9);
  Batch batch = Scenes(2);
  batch.masks.narrow(1, 0, 20).fill_(9);
  task.SetTraining(0);
  const at::Tensor target = ClassShares(batch.masks, kClasses, 9, 6);
  const double expected = Value(
      SegNetLoss(net(batch.images), target, LossOf(SegNetLossType::kMix), 0));
  EXPECT_NEAR(Value(task.Loss(0, batch, 0)), expected, 1e-5 * expected);
}

TEST(SegNetTaskTest, PhaseHoldsWhatLearns) {
  SegNet net(SmallConfig(), kClasses);
  SegNetTask task({}, net);
  ASSERT_EQ(task.Phases().size(), 1u);
  ASSERT_EQ(task.Phases()[0].groups.size(), 2u);
  EXPECT_EQ(task.Phases()[0].groups[0].name, "head");
  EXPECT_EQ(task.Phases()[0].groups[0].parameters.size(), 6u);
  EXPECT_EQ(task.Phases()[0].groups[1].name, "trunk");

  SegNetConfig frozen = SmallConfig();
  frozen.trunk = Trunk::kCaffeNet;
  frozen.weights = "given";
  frozen.grid = 1;
  SegNet fixed(frozen, kClasses);
  SegNetTask head_task({}, fixed);
  ASSERT_EQ(head_task.Phases()[0].groups.size(), 1u);
  head_task.SetTraining(0);
  head_task.Loss(0, Scenes(2), 0).loss.backward();
  for (const auto& p : fixed->named_parameters()) {
    EXPECT_EQ(p.value().grad().defined(), p.key().rfind("trunk.", 0) != 0)
        << p.key();
  }
}

class SegNetTaskTypesTest : public ::testing::TestWithParam<SegNetLossType> {};
INSTANTIATE_TEST_SUITE_P(Types, SegNetTaskTypesTest,
                         ::testing::Values(SegNetLossType::kCrossEntropy,
                                           SegNetLossType::kIou,
                                           SegNetLossType::kUoi,
                                           SegNetLossType::kMix));

TEST_P(SegNetTaskTypesTest, LossFallsOnFourImages) {
  at::manual_seed(1);
  SegNet net(SmallConfig(), kClasses);
  SegNetTask task(LossOf(GetParam()), net);
  OptimizerConfig adam;
  adam.type = OptimizerType::kAdam;
  Optimizer optimizer(adam, task.Phases()[0].groups);
  const Batch batch = Scenes(4);
  const at::Tensor never = at::zeros({});
  std::vector<double> losses;
  for (int64_t step = 0; step < 60; ++step) {
    task.SetTraining(step);
    optimizer.ZeroGradients();
    const StepLoss loss = task.Loss(0, batch, step);
    losses.push_back(Value(loss));
    loss.loss.backward();
    optimizer.Step(5e-3, never);
  }
  // -IOU is at least -1; of the others 0 or 1 is the least.
  const double drop = losses.front() - losses.back();
  EXPECT_GT(drop, GetParam() == SegNetLossType::kIou
                      ? 0.2
                      : 0.5 * (losses.front() - 1))
      << losses.front() << " -> " << losses.back();
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
