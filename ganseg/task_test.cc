#include "ganseg/task.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "ganseg/losses.h"
#include "ganseg/tiny_config.h"
#include "torch/utils.h"

namespace seg {
namespace ganseg {
namespace {

constexpr int64_t kDiscriminatorPhase = 0;
constexpr int64_t kGeneratorPhase = 1;
constexpr int64_t kSegmenterPhase = 2;

Batch Photographs(int64_t count, int64_t size = 32) {
  Batch batch;
  batch.images = at::rand({count, 3, size, size}) * 255;
  return batch;
}

bool AnyGradient(const torch::nn::Module& module) {
  for (const at::Tensor& p : module.parameters()) {
    if (p.grad().defined()) return true;
  }
  return false;
}

std::vector<std::string> Logged(const StepLoss& loss) {
  std::vector<std::string> names;
  for (const auto& [name, value] : loss.logged) names.push_back(name);
  return names;
}

bool Logs(const StepLoss& loss, const std::string& name) {
  const std::vector<std::string> names = Logged(loss);
  return std::find(names.begin(), names.end(), name) != names.end();
}

TEST(GansegTask, StagesFollowOneAnother) {
  const Config config = TinyConfig();
  GansegTask task(config, Model(config));
  const std::vector<Phase> phases = task.Phases();
  ASSERT_EQ(phases.size(), 3u);
  EXPECT_EQ(phases[0].name, "discriminator");
  EXPECT_EQ(phases[1].name, "generator");
  EXPECT_EQ(phases[2].name, "segmenter");
  for (const int64_t step : {0, 1, 19}) {
    EXPECT_TRUE(phases[0].RunsAt(step) && phases[1].RunsAt(step));
    EXPECT_FALSE(phases[2].RunsAt(step));
  }
  for (const int64_t step : {20, 21, 29}) {
    EXPECT_FALSE(phases[0].RunsAt(step) || phases[1].RunsAt(step));
    EXPECT_TRUE(phases[2].RunsAt(step));
  }
}

TEST(GansegTask, AStageAloneHasItsPhasesAlone) {
  Config config = TinyConfig();
  config.stage = Stage::kGan;
  const std::vector<Phase> gan = GansegTask(config, Model(config)).Phases();
  ASSERT_EQ(gan.size(), 2u);
  EXPECT_TRUE(gan[1].RunsAt(1000000));
  config.stage = Stage::kSegmenter;
  const std::vector<Phase> segmenter =
      GansegTask(config, Model(config)).Phases();
  ASSERT_EQ(segmenter.size(), 1u);
  EXPECT_TRUE(segmenter[0].RunsAt(0));
}

TEST(GansegTask, ThePublishedRates) {
  const Config config;
  EXPECT_DOUBLE_EQ(config.train.optimizer.lr, 1e-4);
  EXPECT_DOUBLE_EQ(config.train.optimizer.beta1, 0.5);
  EXPECT_DOUBLE_EQ(config.train.optimizer.beta2, 0.9);
  EXPECT_DOUBLE_EQ(config.discriminator.lr, 4);
  EXPECT_DOUBLE_EQ(config.segmenter.optimizer.lr, 3e-4);
  EXPECT_DOUBLE_EQ(config.segmenter.optimizer.beta1, 0.9);
  const Config tiny = TinyConfig();
  const std::vector<Phase> phases = GansegTask(tiny, Model(tiny)).Phases();
  EXPECT_DOUBLE_EQ(phases[0].groups[0].lr_scale, 4);
  EXPECT_DOUBLE_EQ(phases[1].groups[0].lr_scale, 1);
}

TEST(GansegTask, EachPlayerLearnsAlone) {
  torch::manual_seed(1);
  const Config config = TinyConfig();
  Model model(config);
  GansegTask task(config, model);
  task.SetTraining(0);
  // At step 0 with the gradient penalty.
  task.Loss(kDiscriminatorPhase, Photographs(2), 0).loss.backward();
  EXPECT_TRUE(AnyGradient(*model->discriminator()));
  EXPECT_FALSE(AnyGradient(*model->generator()));
  model->zero_grad();
  for (at::Tensor p : model->parameters()) p.mutable_grad().reset();
  task.Loss(kGeneratorPhase, Photographs(2), 0).loss.backward();
  EXPECT_FALSE(AnyGradient(*model->discriminator()));
  EXPECT_TRUE(AnyGradient(*model->generator()));
  for (const at::Tensor& p : model->discriminator()->parameters()) {
    EXPECT_TRUE(p.requires_grad());
  }
}

TEST(GansegTask, LazyTermsByTheStepOfTheWholeRun) {
  torch::manual_seed(1);
  Config config = TinyConfig();
  config.loss.gradient_penalty_every = 3;
  config.loss.shape_every = 2;
  GansegTask task(config, Model(config));
  task.SetTraining(0);
  for (const int64_t step : {0, 1, 2, 3, 4, 6}) {
    EXPECT_EQ(Logs(task.Loss(0, Photographs(2), step), "penalty"),
              step % 3 == 0)
        << step;
    EXPECT_EQ(Logs(task.Loss(1, Photographs(2), step), "concentration"),
              step % 2 == 0)
        << step;
  }
}

// The log has the last update before a line: were its interval even, that would
// never be one with a penalty.
TEST(GansegTask, LinesOfTheLogMeetTheLazyTerms) {
  const Config config;
  bool penalty = false, shape = false;
  for (int64_t line = 1; line <= 16; ++line) {
    const int64_t step = line * config.train.log_every - 1;
    penalty |= step % config.loss.gradient_penalty_every == 0;
    shape |= step % config.loss.shape_every == 0;
  }
  EXPECT_TRUE(penalty);
  EXPECT_TRUE(shape);
}

// The terms that are logged, with their weights, are the loss.
TEST(GansegTask, WeightsOfTheTerms) {
  torch::manual_seed(1);
  Config config = TinyConfig();
  config.loss.area = 2;
  config.loss.concentration = 3;
  GansegTask task(config, Model(config));
  task.SetTraining(0);
  const StepLoss loss = task.Loss(kGeneratorPhase, Photographs(2), 0);
  double sum = 0;
  for (const auto& [name, value] : loss.logged) {
    const double weight = name == "adversarial"     ? 1
                          : name == "concentration" ? 3
                          : name == "area"          ? 2
                                                    : 0;
    sum += weight * value.item<double>();
  }
  EXPECT_NEAR(loss.loss.item<double>(), sum, 1e-4 * std::abs(sum));
}

TEST(GansegTask, SegmenterLearnsFromAFrozenGenerator) {
  torch::manual_seed(1);
  const Config config = TinyConfig();
  Model model(config);
  GansegTask task(config, model);
  const auto statistics = [&] {
    std::vector<at::Tensor> copies;
    for (const at::Tensor& b : model->generator()->buffers()) {
      copies.push_back(b.clone());
    }
    return copies;
  };
  const std::vector<at::Tensor> before = statistics();
  EXPECT_EQ(model->segmenter_updates(), 0);
  task.SetTraining(20);
  const StepLoss loss = task.Loss(kSegmenterPhase, Photographs(2), 20);
  loss.loss.backward();
  EXPECT_TRUE(AnyGradient(*model->segmenter()));
  EXPECT_FALSE(AnyGradient(*model->generator()));
  EXPECT_EQ(model->segmenter_updates(), 1);
  const std::vector<at::Tensor> after = statistics();
  ASSERT_GT(before.size(), 0u);
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(at::equal(before[i], after[i]));
  }
}

std::vector<at::Tensor> Copies(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> copies;
  for (const at::Tensor& x : tensors) copies.push_back(x.detach().clone());
  return copies;
}

TEST(GeneratorAverage, OffWithoutItsKey) {
  Model model(TinyConfig());
  EXPECT_EQ(model->sampler().ptr(), model->generator().ptr());
  for (const auto& item : model->named_buffers()) {
    EXPECT_EQ(item.key().find("generator_ema"), std::string::npos);
  }
}

TEST(GeneratorAverage, FollowsTheWeights) {
  torch::manual_seed(1);
  Config config = TinyConfig();
  const size_t parameters = Model(config)->parameters().size();
  config.generator_ema = 0.5;
  Model model(config);
  EXPECT_EQ(model->parameters().size(), parameters);
  ASSERT_TRUE(model->named_buffers().contains("generator_ema.part_embedding"));
  GansegTask task(config, model);
  const auto update = [&](int64_t step) {
    task.SetTraining(step);
    task.Loss(kDiscriminatorPhase, Photographs(2), step);
  };
  const auto push = [&] {
    const at::NoGradGuard no_grad;
    for (at::Tensor& p : model->generator()->parameters()) p.add_(1);
  };
  const std::vector<at::Tensor> start =
      Copies(model->generator()->parameters());
  // What the average is above the start, the same for all.
  const auto expect = [&](double shift) {
    const std::vector<at::Tensor> now = model->sampler()->parameters();
    for (size_t i = 0; i < now.size(); ++i) {
      EXPECT_FALSE(now[i].requires_grad());
      EXPECT_LT((now[i] - start[i] - shift).abs().max().item<double>(), 1e-5);
    }
  };
  push();
  update(0);  // starts with the weights as they are
  expect(1);
  push();
  update(1);  // d = 2 / 11
  expect(1 * 2.0 / 11 + 2 * 9.0 / 11);
  push();
  update(100);  // d = 0.5
  expect((1 * 2.0 / 11 + 2 * 9.0 / 11) / 2 + 1.5);
  EXPECT_FALSE(model->sampler()->is_training());
}

TEST(GeneratorAverage, DrawsThePairs) {
  torch::manual_seed(1);
  Config config = TinyConfig();
  config.generator_ema = 0.9;
  Model model(config);
  const auto sample = [&] {
    torch::manual_seed(2);
    return model->Sample(2).images;
  };
  const at::Tensor before = sample();
  {
    const at::NoGradGuard no_grad;
    for (at::Tensor& p : model->generator()->parameters()) p.mul_(2);
  }
  EXPECT_TRUE(at::equal(sample(), before));
  model->AverageGenerator(0);
  EXPECT_FALSE(at::equal(sample(), before));
}

TEST(GansegTask, OtherSizesAreRefusedWithTheRemedy) {
  const Config config = TinyConfig();
  GansegTask task(config, Model(config));
  task.SetTraining(0);
  try {
    task.Loss(kDiscriminatorPhase, Photographs(2, 48), 1);
    FAIL() << "48 pixels went through";
  } catch (const c10::Error& e) {
    EXPECT_THAT(e.what_without_backtrace(),
                testing::HasSubstr("set data.resize_height"));
  }
}

TEST(GansegTask, EveryAlarmNamesALoggedScalar) {
  torch::manual_seed(1);
  const Config config = TinyConfig();
  GansegTask task(config, Model(config));
  task.SetTraining(0);
  const StepLoss loss = task.Loss(kGeneratorPhase, Photographs(2), 0);
  const std::vector<ScalarBound> bounds = task.Bounds();
  EXPECT_EQ(bounds.size(), 5u);
  for (const ScalarBound& bound : bounds) {
    ASSERT_EQ(bound.name.rfind("generator_", 0), 0u);
    EXPECT_TRUE(Logs(loss, bound.name.substr(10))) << bound.name;
  }
}

TEST(PartLabels, TheBackgroundComesFirst) {
  // Channels: part 1, part 2, background.
  const at::Tensor masks =
      at::tensor({0.7, 0.1, 0.2, 0.2, 0.5, 0.3, 0.1, 0.4, 0.5})
          .view({1, 3, 1, 3});
  // Columns hold (0.7,0.2,0.1), (0.1,0.5,0.4), (0.2,0.3,0.5).
  EXPECT_TRUE(at::equal(PartLabels(masks),
                        at::tensor({1, 2, 0}, at::kLong).view({1, 1, 3})));
}

TEST(Colours, ThereAndBack) {
  EXPECT_TRUE(at::equal(ToColours(at::tensor({-1.0, 0.0, 1.0})),
                        at::tensor({0.0, 127.5, 255.0})));
  const at::Tensor x = at::tensor({-1.0, -0.25, 0.5, 1.0});
  EXPECT_TRUE(at::allclose(FromColours(ToColours(x)), x));
}

}  // namespace
}  // namespace ganseg
}  // namespace seg
