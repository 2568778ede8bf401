#include "crfgrad/model.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/runfiles.h"
#include "common/datasets/open.h"
#include "common/evaluation/evaluate.h"
#include "common/io/file.h"
#include "common/layers/mean_field/mean_field.h"
#include "common/losses/cross_entropy.h"
#include "common/testing/count_operators.h"
#include "common/testing/status_matchers.h"
#include "common/testing/torch_errors.h"
#include "crfgrad/paper.h"
#include "crfgrad/system.h"
#include "crfgrad/task.h"
#include "torch/utils.h"

namespace seg {
namespace crfgrad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

at::Tensor RandomImages(int64_t n, int64_t height, int64_t width) {
  return at::randint(0, 256, {n, 3, height, width}, at::kFloat);
}

TEST(ConfigTest, EveryConfigurationParses) {
  for (const char* name :
       {"demo", "weizmann_fcn", "weizmann_densecrf", "weizmann_crfgrad",
        "weizmann_crfrnn", "weizmann_gaussian", "weizmann_spatial",
        "weizmann_spatial_gaussian", "folder_densecrf"}) {
    const std::string path =
        Runfile(std::string("crfgrad/configs/") + name + ".yaml");
    ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(path));
    Config config;
    EXPECT_OK(ParseConfig(text, path, {}, &config));
    // What is saved with a run reads back as the same.
    Config again;
    ASSERT_OK(
        ParseConfig(ToYaml(nlohmann::json(config)), "resolved", {}, &again));
    EXPECT_EQ(nlohmann::json(config), nlohmann::json(again));
  }
}

TEST(ConfigTest, NestedRulesApply) {
  Config config;
  EXPECT_THAT(ParseConfig("crf: {leak: 2}", "t", {}, &config),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("crf.leak: must lie in [0, 1]")));
  EXPECT_THAT(
      ParseConfig("", "t", {"crf.bilateral.mode=learnt"}, &config),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("learned")));
}

TEST(ModelTest, OutputsOfEachInference) {
  torch::manual_seed(1);
  Batch batch;
  batch.images = RandomImages(2, 21, 30);
  for (const auto& [inference, name] : EnumNames(Inference())) {
    Config config;
    config.model.inference = inference;
    Model model(config, 3);
    model->eval();
    const c10::AutoGradMode no_grad(false);
    const std::vector<at::Tensor> outputs = model->Predict(batch);
    ASSERT_EQ(outputs.size(), model->OutputNames().size());
    EXPECT_EQ(model->OutputNames()[0], name);
    for (const at::Tensor& output : outputs) {
      EXPECT_EQ(output.sizes(), (std::vector<int64_t>{2, 3, 21, 30}));
      EXPECT_TRUE(
          at::allclose(output.sum(1), at::ones({2, 21, 30}), 1e-4, 1e-4));
    }
  }
}

TEST(ModelTest, AFolderStandsInForTheFcn) {
  torch::manual_seed(3);
  Batch batch;
  batch.images = RandomImages(2, 12, 15);
  // Any sum, zeros, and a pixel without any class.
  batch.probabilities = at::rand({2, 3, 12, 15}) * 2;
  batch.probabilities.select(1, 1).fill_(0);
  batch.probabilities.select(3, 4).fill_(0);
  const at::Tensor sum = batch.probabilities.sum(1, true);
  const at::Tensor z =
      at::where(sum > 0, batch.probabilities / sum.clamp_min(1e-3),
                at::full({1}, 1.0f / 3));
  for (const auto& [inference, name] : EnumNames(Inference())) {
    Config config;
    config.unary.source = UnarySource::kFolder;
    config.model.inference = inference;
    Model model(config, 3);
    model->eval();
    EXPECT_FALSE(model->has_fcn());
    for (const auto& item : model->named_parameters()) {
      EXPECT_THAT(item.key(), testing::StartsWith("crf."));
    }
    const c10::AutoGradMode no_grad(false);
    const std::vector<at::Tensor> outputs = model->Predict(batch);
    ASSERT_EQ(outputs.size(), model->OutputNames().size());
    EXPECT_EQ(model->OutputNames().back(), "folder");
    // Zeros count as 1e-6.
    EXPECT_LT((outputs.back() - z).abs().max().item<double>(), 1e-4);
    EXPECT_TRUE(
        at::allclose(outputs[0].sum(1), at::ones({2, 12, 15}), 1e-4, 1e-4));
  }
  Config config;
  config.unary.source = UnarySource::kFolder;
  Model model(config, 3);
  batch.probabilities = at::Tensor();
  EXPECT_THAT(ErrorOf([&] { model->Predict(batch); }),
              HasSubstr("unary.source is folder: expected a folder in "
                        "data.probabilities"));
}

// The weights of the mean field are the layer's, and the options are the
// configuration's.
TEST(ModelTest, CrfRnnStartsAsTheDenseCrf) {
  torch::manual_seed(4);
  Config config;
  config.unary.source = UnarySource::kFolder;
  config.model.inference = Inference::kCrfRnn;
  config.crf_rnn.eval_iterations = 3;
  config.crf_rnn.spatial_theta = 2;
  config.crf_rnn.spatial_weight = 1;
  config.crf_rnn.theta_position = 20;
  config.crf_rnn.theta_colour = 10;
  config.crf_rnn.bilateral_weight = 4;
  Batch batch;
  batch.images = RandomImages(1, 14, 11);
  batch.probabilities = at::softmax(at::randn({1, 3, 14, 11}), 1);
  Model model(config, 3);
  model->eval();
  const c10::AutoGradMode no_grad(false);
  MeanFieldOptions options;
  options.iterations = 3;
  options.spatial_theta = 2;
  options.spatial_weight = 1;
  options.bilateral_theta_position = 20;
  options.bilateral_theta_colour = 10;
  options.bilateral_weight = 4;
  options.normalization = LatticeNormalization::kAfter;
  EXPECT_TRUE(
      at::allclose(model->Predict(batch)[0],
                   MeanField(-batch.probabilities.log(), batch.images, options),
                   1e-4, 1e-5));
}

TEST(ModelTest, InputSizeKeepsTheImagesOwnSizeOutside) {
  Config config;
  config.model.inference = Inference::kFcn;
  config.model.input_size = 32;
  Model model(config, 2);
  model->eval();
  EXPECT_EQ(model->Scores(RandomImages(1, 50, 41)).sizes(),
            (std::vector<int64_t>{1, 2, 50, 41}));
  const at::Tensor images = RandomImages(1, 32, 32);
  EXPECT_TRUE(at::equal(model->Scores(images), model->fcn()->forward(images)));
}

TEST(ModelTest, ParameterNamesOfTheCrf) {
  Model model(Config(), 2);
  std::vector<std::string> names;
  for (const auto& item : model->crf()->named_parameters()) {
    names.push_back(item.key());
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre(
                         "unary_weight", "bilateral_filter", "spatial.weight"));
}

class TaskTest : public testing::Test {
 protected:
  void SetUp() override {
    torch::manual_seed(2);
    DataConfig data;
    data.synthetic.height = 32;
    data.synthetic.width = 40;
    data.synthetic.train = 4;
    data.synthetic.val = 3;
    ASSERT_OK_AND_ASSIGN(train_, OpenDataset(data, "", "train"));
    ASSERT_OK_AND_ASSIGN(val_, OpenDataset(data, "", "val"));
    std::vector<at::Tensor> images, masks;
    for (int64_t i = 0; i < 4; ++i) {
      const auto sample = train_->Get(i);
      ASSERT_OK(sample);
      images.push_back(sample->image.to(at::kFloat));
      masks.push_back(sample->mask.to(at::kLong));
      batch_.ids.push_back(sample->id);
    }
    batch_.images = at::stack(images);
    batch_.masks = at::stack(masks);
  }

  std::shared_ptr<const Dataset> train_, val_;
  Batch batch_;
};

TEST_F(TaskTest, OverfitsFourImages) {
  Config config;
  config.loss.unary_steps = 160;
  config.train.optimizer.type = OptimizerType::kAdam;
  config.train.optimizer.lr = 0.005;
  config.crf.leak = 0.1;
  Model model(config, train_->info().num_classes());
  CrfGradTask task(config, model);
  Optimizer optimizer(config.train.optimizer, task.Phases()[0].groups);
  double first = 0, last = 0;
  for (int64_t step = 0; step < 200; ++step) {
    task.SetTraining(step);
    optimizer.ZeroGradients();
    const at::Tensor loss = task.Loss(0, batch_, step).loss;
    loss.backward();
    optimizer.Step(config.train.optimizer.lr, at::zeros({}));
    if (step == 0) first = loss.item<double>();
    last = loss.item<double>();
  }
  EXPECT_LT(last, 0.25 * first);
  EXPECT_TRUE(std::isfinite(last));
}

// CRF-RNN on probabilities alone, blurred and half wrong truth: its loss falls
// below that of what it starts from.
TEST_F(TaskTest, CrfRnnLearnsOnAFolder) {
  Config config;
  config.unary.source = UnarySource::kFolder;
  config.model.inference = Inference::kCrfRnn;
  config.loss.unary_steps = 1000;  // of no FCN
  config.crf_rnn.theta_position = 15;
  config.crf_rnn.theta_colour = 15;
  config.crf_rnn.iterations = 3;
  config.crf_rnn.spatial_weight = 0.5;
  config.crf_rnn.bilateral_weight = 1;
  config.train.optimizer.type = OptimizerType::kAdam;
  const int64_t classes = train_->info().num_classes();
  const at::Tensor valid = batch_.masks.clamp_max(classes - 1);
  batch_.probabilities =
      at::softmax(at::one_hot(valid, classes).permute({0, 3, 1, 2}) +
                      1.5 * at::randn({4, classes, 32, 40}),
                  1);
  Model model(config, classes);
  CrfGradTask task(config, model);
  const std::vector<Phase> phases = task.Phases();
  ASSERT_EQ(phases[0].groups.size(), 1u);
  EXPECT_EQ(phases[0].groups[0].parameters.size(), 3u);
  Optimizer optimizer(config.train.optimizer, phases[0].groups);
  const double folder =
      CrossEntropy(batch_.probabilities.log(), batch_.masks).item<double>();
  std::vector<double> losses;
  for (int64_t step = 0; step < 12; ++step) {
    task.SetTraining(step);
    optimizer.ZeroGradients();
    const StepLoss loss = task.Loss(0, batch_, step);
    EXPECT_EQ(loss.logged.size(), 1u);
    loss.loss.backward();
    optimizer.Step(0.05, at::zeros({}));
    losses.push_back(loss.loss.item<double>());
  }
  EXPECT_LT(losses.back(), losses.front());
  EXPECT_LT(losses.back(), folder);
}

TEST_F(TaskTest, AFrozenFcnGetsNoGradient) {
  Config config;
  config.model.freeze_fcn = true;
  config.loss.unary_steps = 2;
  Model model(config, train_->info().num_classes());
  CrfGradTask task(config, model);
  task.SetTraining(1);  // the FCN alone still learns
  EXPECT_TRUE(model->fcn()->is_training());
  EXPECT_TRUE(model->fcn()->parameters()[0].requires_grad());
  task.SetTraining(2);
  task.Loss(0, batch_, 2).loss.backward();
  for (const at::Tensor& p : model->fcn()->parameters()) {
    EXPECT_FALSE(p.grad().defined());
  }
  EXPECT_TRUE(
      model->crf()->named_parameters()["unary_weight"].grad().defined());
  EXPECT_FALSE(model->fcn()->is_training());
}

TEST_F(TaskTest, BothLossesAndTheUnaryTerm) {
  for (const LossType type : {LossType::kNll, LossType::kSoftmax}) {
    Config config;
    config.loss.type = type;
    config.loss.unary = 0.5;
    Model model(config, train_->info().num_classes());
    CrfGradTask task(config, model);
    task.SetTraining(0);
    const StepLoss loss = task.Loss(0, batch_, 0);
    ASSERT_EQ(loss.logged.size(), 2u);
    EXPECT_NEAR(loss.loss.item<double>(),
                loss.logged[0].second.item<double>() +
                    0.5 * loss.logged[1].second.item<double>(),
                1e-5);
  }
}

TEST_F(TaskTest, ConvergenceFollowsTheIterations) {
  Config config;
  config.crf.iterations = 4;
  config.crf.bilateral.weight = 3;
  config.crf.bilateral.tied = true;
  config.crf.step = 0.1;
  config.eval.speck_area = 30;
  Model model(config, train_->info().num_classes());
  model->eval();
  config.eval.convergence = true;
  System system(model);
  const Measures measures =
      Paper::MakeMeasures(config, system, val_->info(), Moment::kEval);
  ASSERT_OK_AND_ASSIGN(const Findings findings,
                       Evaluate(*val_, system, measures, {}));
  const nlohmann::json& convergence = findings.json["convergence"];
  ASSERT_EQ(convergence["mean_iou"].size(), 5u);
  // The ends agree with what is said of the two outputs.
  EXPECT_DOUBLE_EQ(convergence["mean_iou"][4], findings.scalars.at("mean_iou"));
  EXPECT_DOUBLE_EQ(convergence["mean_iou"][0],
                   findings.scalars.at("fcn/mean_iou"));
  // Descent: symmetric filters and a small step.
  const auto energy = convergence["energy"].get<std::vector<double>>();
  for (size_t t = 0; t < 4; ++t) EXPECT_LE(energy[t + 1], energy[t]);
  // It is the sum of its parts, and a hard labelling has no more of it: the
  // filters are those of the start.
  for (size_t t = 0; t <= 4; ++t) {
    double sum = 0;
    for (const char* part : {"unary", "spatial", "bilateral"}) {
      sum += convergence["energy_parts"][part][t].get<double>();
    }
    EXPECT_DOUBLE_EQ(energy[t], sum);
  }
  EXPECT_LE(convergence["energy_rounded"].get<double>(), energy[4]);
  EXPECT_EQ(convergence["energy_share"][0], 0);
  EXPECT_DOUBLE_EQ(convergence["energy_share"][4], 1);
  EXPECT_EQ(convergence["mean_iou_to_come"][4], 0);
  for (const std::string& name : val_->info().class_names) {
    const auto specks = convergence["specks"][name].get<std::vector<int64_t>>();
    EXPECT_EQ(convergence["least_speck_fall"][name][1], specks[0] - specks[1]);
    if (specks[0] > 0) {
      EXPECT_EQ(convergence["specks_removed"][name][0], 0);
    }
  }
  config.model.inference = Inference::kFcn;
  EXPECT_THAT(Paper::Check(config, val_->info(), {}, Command::kEval),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("model.inference=crfgrad")));
}

// Energies are those of the descent without leak; labels are the model's own.
TEST_F(TaskTest, EnergiesDoNotDependOnTheLeak) {
  Config config;
  config.crf.iterations = 3;
  config.eval.convergence = true;
  torch::manual_seed(6);
  Model exact(config, train_->info().num_classes());
  config.crf.leak = 0.4;
  torch::manual_seed(6);
  Model leaky(config, train_->info().num_classes());
  nlohmann::json found[2];
  for (Model model : {exact, leaky}) {
    model->eval();
    System system(model);
    const Measures measures =
        Paper::MakeMeasures(config, system, val_->info(), Moment::kEval);
    ASSERT_OK_AND_ASSIGN(const Findings findings,
                         Evaluate(*val_, system, measures, {}));
    found[model->crf()->config().leak > 0] = findings.json["convergence"];
    EXPECT_DOUBLE_EQ(findings.json["convergence"]["mean_iou"][3],
                     findings.scalars.at("mean_iou"));
  }
  EXPECT_EQ(found[0]["energy"], found[1]["energy"]);
  EXPECT_EQ(found[0]["energy_rounded"], found[1]["energy_rounded"]);
}

// Whatever is measured and drawn, the FCN runs once an image.
TEST_F(TaskTest, EvaluationRunsTheNetworkOnce) {
  Config config;
  config.crf.iterations = 2;
  Model model(config, train_->info().num_classes());
  model->eval();
  const auto count = [](const std::function<void()>& body) {
    return CountOperators("aten::convolution", body);
  };
  const int64_t once = count([&] {
    const c10::InferenceMode inference;
    model->fcn()->forward(batch_.images.narrow(0, 0, 1));
  });
  EXPECT_GT(once, 0);
  for (const bool convergence : {false, true}) {
    config.eval.convergence = convergence;
    System system(model);
    const Measures measures =
        Paper::MakeMeasures(config, system, val_->info(), Moment::kEval);
    EXPECT_EQ(count([&] {
                EXPECT_OK(Evaluate(*val_, system, measures, {}).status());
              }),
              once * val_->size());
  }
}

}  // namespace
}  // namespace crfgrad
}  // namespace seg
