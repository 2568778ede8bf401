#include "cgm/model.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "cgm/networks.h"
#include "cgm/objective.h"
#include "cgm/tiny_model.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace cgm {
namespace {

using ::testing::HasSubstr;

int64_t Count(const std::vector<at::Tensor>& parameters) {
  int64_t count = 0;
  for (const at::Tensor& p : parameters) count += p.numel();
  return count;
}

TEST(NetworksTest, ParameterCountsOfThePaper) {
  // Tables S1 to S3: CNN, prior (and recognition), generator, low-resolution
  // heads.
  const std::map<int64_t, std::vector<int64_t>> expected = {
      {2, {776594, 364192, 323682, 4932, 1833592}},
      {4, {784372, 374560, 331460, 9864, 1874816}}};
  for (const auto& [classes, counts] : expected) {
    const NetworkOptions options(classes);
    EXPECT_EQ(Count(Cnn(options)->parameters()), counts[0]);
    EXPECT_EQ(Count(Encoder(options)->parameters()), counts[1]);
    EXPECT_EQ(Count(Generator(options)->parameters()), counts[2]);
    EXPECT_EQ(
        Count(Cnn(NetworkOptions(options).multi_scale(true))->parameters()) -
            counts[0],
        counts[3]);
    ModelConfig config;
    config.type = ModelType::kCvae;
    config.noisy_layer = NoisyLayer::kOff;
    EXPECT_EQ(Count(Model(config, classes)->parameters()), counts[4]);
    // The Gaussian layer 4 has one more convolution 128 -> 128, 3 x 3.
    config.noisy_layer = NoisyLayer::kAuto;
    EXPECT_EQ(Count(Model(config, classes)->parameters()), counts[4] + 147584);
    // One classifier less in reading B.
    config.noisy_layer = NoisyLayer::kOff;
    config.shared_head = true;
    EXPECT_EQ(Count(Model(config, classes)->parameters()),
              counts[4] - (48 * 81 + 1) * classes);
  }
}

TEST(NetworksTest, NamesAndShapesAreFileFormat) {
  ModelConfig config;
  config.type = ModelType::kHybrid;
  Model model(config, 4);
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const auto& item : model->named_parameters()) {
    if (item.value().dim() == 4)
      shapes[item.key()] = item.value().sizes().vec();
  }
  std::map<std::string, std::vector<int64_t>> expected = {
      {"cnn.conv1.weight", {64, 3, 9, 9}},
      {"cnn.conv2.weight", {96, 64, 5, 5}},
      {"cnn.conv3.weight", {128, 96, 3, 3}},
      {"cnn.noise4.mean.weight", {128, 128, 3, 3}},
      {"cnn.noise4.log_variance.weight", {128, 128, 3, 3}},
      {"cnn.conv5.weight", {96, 128, 3, 3}},
      {"cnn.conv6.weight", {64, 96, 5, 5}},
      {"cnn.conv7.weight", {48, 64, 5, 5}},
      {"cnn.head.weight", {4, 48, 9, 9}},
      {"cnn.head_quarter.weight", {4, 96, 3, 3}},
      {"cnn.head_half.weight", {4, 64, 5, 5}},
      {"generator.conv1.weight", {96, 32, 3, 3}},
      {"generator.conv2.weight", {64, 96, 5, 5}},
      {"generator.conv3.weight", {48, 64, 5, 5}},
      {"generator.conv4.weight", {48, 48, 5, 5}},
      {"generator.head.weight", {4, 48, 9, 9}}};
  for (const char* encoder : {"prior", "recognition"}) {
    const std::string name = std::string(encoder) + ".";
    expected[name + "conv1.weight"] = {64, 7, 9, 9};
    expected[name + "conv2.weight"] = {96, 64, 5, 5};
    expected[name + "conv3.weight"] = {128, 96, 3, 3};
    expected[name + "latent.mean.weight"] = {32, 128, 3, 3};
    expected[name + "latent.log_variance.weight"] = {32, 128, 3, 3};
  }
  EXPECT_EQ(shapes, expected);
}

TEST(NetworksTest, SizesOfThePaper) {
  const at::InferenceMode inference;
  ModelConfig config;
  config.type = ModelType::kCvae;
  Model model(config, 4);
  const at::Tensor x = model->Prepare(at::zeros({1, 3, 128, 128}));
  const CnnScores scores = model->RunCnn(x, true);
  EXPECT_EQ(scores.full.sizes(), at::IntArrayRef({1, 4, 128, 128}));
  EXPECT_EQ(scores.half.sizes(), at::IntArrayRef({1, 4, 64, 64}));
  EXPECT_EQ(scores.quarter.sizes(), at::IntArrayRef({1, 4, 32, 32}));
  const DiagonalGaussian p = model->Prior(x, scores.full);
  EXPECT_EQ(p.mean.sizes(), at::IntArrayRef({1, 32, 8, 8}));
  EXPECT_EQ(p.log_variance.sizes(), p.mean.sizes());
  EXPECT_EQ(model->Generate(p.mean).sizes(), at::IntArrayRef({1, 4, 128, 128}));
}

TEST(NetworksTest, StartOfTheAuthors) {
  at::manual_seed(1);
  ModelConfig config;
  Model model(config, 4);
  std::vector<at::Tensor> biases;
  for (const auto& item : model->named_parameters()) {
    const at::Tensor value = item.value().detach();
    if (item.key().find("log_variance") != std::string::npos) {
      EXPECT_EQ(value.abs().max().item<float>(), 0) << item.key();
    } else if (value.dim() == 4 && value.numel() > 10000) {
      const double fan_in = static_cast<double>(value.numel()) / value.size(0);
      // 10,000 values: their standard deviation is within 3 % by 4 SD.
      EXPECT_NEAR(value.std().item<float>() * std::sqrt(fan_in), 1, 0.03)
          << item.key();
    } else if (value.dim() == 1) {
      biases.push_back(value);
    }
  }
  // 1,000 biases: within 10 % by 4 SD.
  EXPECT_NEAR(at::cat(biases).std().item<float>(), 0.01, 0.001);
  // sigma = 1 everywhere at the first step.
  const at::Tensor x = model->Prepare(255 * at::rand({2, 3, 32, 32}));
  EXPECT_EQ(model->Prior(x, model->RunCnn(x).full)
                .log_variance.abs()
                .max()
                .item<float>(),
            0);
}

TEST(NetworksTest, FusedUnpoolingChangesNothing) {
  for (const char* type : {"cnn", "cvae"}) {
    ModelConfig config = Tiny(type);
    at::manual_seed(2);
    Model fused(config, 3);
    config.fused_unpool = false;
    at::manual_seed(2);
    Model plain(config, 3);
    fused->to(at::kDouble);
    plain->to(at::kDouble);
    const at::Tensor x =
        fused->Prepare(255 * at::rand({2, 3, 32, 48}, at::kDouble));
    const CnnScores a = fused->RunCnn(x, true), b = plain->RunCnn(x, true);
    EXPECT_TRUE(at::allclose(a.full, b.full, 1e-10, 1e-12));
    EXPECT_TRUE(at::allclose(a.half, b.half, 1e-10, 1e-12));
    EXPECT_TRUE(at::allclose(a.quarter, b.quarter, 1e-10, 1e-12));
    if (!fused->has_latent()) continue;
    const at::Tensor z = at::randn({2, 2, 2, 3}, at::kDouble);
    EXPECT_TRUE(
        at::allclose(fused->Generate(z), plain->Generate(z), 1e-10, 1e-12));
  }
}

TEST(ModelTest, PartsByType) {
  struct Parts {
    bool latent, recognition, samples;
  };
  const std::map<std::string, Parts> expected = {
      {"cnn", {false, false, false}},
      {"gdnn", {true, false, false}},
      {"gsnn", {true, false, true}},
      {"cvae", {true, true, true}},
      {"hybrid", {true, true, true}}};
  for (const auto& [type, parts] : expected) {
    ModelConfig config = Tiny(type);
    config.noisy_layer = NoisyLayer::kAuto;
    Model model(config, 2);
    EXPECT_EQ(model->has_latent(), parts.latent) << type;
    EXPECT_EQ(model->has_recognition(), parts.recognition) << type;
    EXPECT_EQ(model->samples(), parts.samples) << type;
    EXPECT_EQ(model->noisy_layer(), parts.samples) << type;
  }
}

TEST(ModelTest, TheNoisyLayerIsSampledInTrainingOnly) {
  ModelConfig config = Tiny("cnn");
  config.noisy_layer = NoisyLayer::kOn;
  Model model(config, 2);
  const at::Tensor x = model->Prepare(255 * at::rand({1, 3, 16, 16}));
  model->train();
  EXPECT_FALSE(at::equal(model->RunCnn(x).full, model->RunCnn(x).full));
  model->eval();
  EXPECT_TRUE(at::equal(model->RunCnn(x).full, model->RunCnn(x).full));
}

TEST(ModelTest, ThePriorSeesTheScaledGuessAndSendsGradientsToIt) {
  ModelConfig config = Tiny("gdnn");
  at::manual_seed(3);
  Model two(config, 3);
  config.guess_scale = 1;
  at::manual_seed(3);
  Model one(config, 3);
  const at::Tensor x = two->Prepare(255 * at::rand({1, 3, 16, 16}));
  const at::Tensor a = at::randn({1, 3, 16, 16}).set_requires_grad(true);
  EXPECT_TRUE(at::allclose(two->Prior(x, a).mean, one->Prior(x, 2 * a).mean));
  two->Prior(x, a).mean.sum().backward();
  EXPECT_GT(a.grad().abs().sum().item<float>(), 0);
}

TEST(ModelTest, SharedHeadIsOneTensor) {
  ModelConfig config = Tiny("gdnn");
  config.shared_head = true;
  Model model(config, 2);
  const at::Tensor head = model->named_parameters()["cnn.head.bias"];
  const at::Tensor z = at::randn({1, 2, 1, 1});
  const at::Tensor before = model->Generate(z).detach().clone();
  {
    const at::NoGradGuard no_grad;
    head.add_(1);
  }
  EXPECT_TRUE(at::allclose(model->Generate(z), before + 1));
}

TEST(ModelTest, BadInputIsNamed) {
  Model model(Tiny("cnn"), 2);
  EXPECT_THAT(
      [&] {
        model->Prepare(at::zeros({1, 3, 32, 40}));
      },
      testing::Throws<c10::Error>(
          testing::Property(&c10::Error::what_without_backtrace,
                            HasSubstr("multiples of 16, got 32 x 40"))));
  EXPECT_THROW(model->Prepare(at::zeros({1, 1, 32, 32})), c10::Error);
  EXPECT_THROW(model->Generate(at::zeros({1, 2, 1, 1})), c10::Error);
  const at::Tensor x = model->Prepare(at::zeros({1, 3, 16, 16}));
  EXPECT_THROW(ComputeObjective(model, x, at::zeros({1, 3, 16, 16})),
               c10::Error);
  Config config;
  DatasetInfo info;
  info.name = "roads";
  info.class_names = {"ground", "road"};
  EXPECT_OK(CheckClasses(config, info));
  config.model.classes = 3;
  EXPECT_THAT(
      CheckClasses(config, info),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("model.classes")));
  config.model.classes = 0;
  config.evaluation.foreground = 2;
  EXPECT_THAT(CheckClasses(config, info),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("evaluation.foreground")));
}

// By hand from tables S1 to S3.
TEST(ModelTest, MultiplyAdds) {
  struct Expected {
    int64_t cnn, prior, generator;
    double ratio, fused_ratio;
  };
  const std::map<int64_t, Expected> expected = {
      {2, {914620416, 296484864, 483065856, 1.8523, 1.8998}},
      {4, {1042022400, 338952192, 610467840, 1.9111, 1.9917}}};
  for (const auto& [classes, e] : expected) {
    ModelConfig config;
    config.type = ModelType::kCnn;
    EXPECT_EQ(MultiplyAdds(config, classes, 128, 128, false).total(), e.cnn);
    for (const ModelType type : {ModelType::kGdnn, ModelType::kGsnn,
                                 ModelType::kCvae, ModelType::kHybrid}) {
      config.type = type;
      const Cost cost = MultiplyAdds(config, classes, 128, 128, false);
      EXPECT_EQ(cost.cnn, e.cnn);
      EXPECT_EQ(cost.prior, e.prior);
      EXPECT_EQ(cost.generator, e.generator);
      const auto ratio = [](const Cost& c) {
        return static_cast<double>(c.total()) / static_cast<double>(c.cnn);
      };
      EXPECT_NEAR(ratio(cost), e.ratio, 5e-5);
      EXPECT_NEAR(ratio(MultiplyAdds(config, classes, 128, 128, true)),
                  e.fused_ratio, 5e-5);
    }
  }
}

TEST(ModelTest, OneHotIsZeroAtVoid) {
  const at::Tensor masks =
      at::tensor(std::vector<int64_t>{0, 1, 255, 2}).view({1, 2, 2});
  const at::Tensor target = OneHot(masks, 3);
  EXPECT_TRUE(at::equal(
      target.permute({0, 2, 3, 1}).reshape({4, 3}),
      at::tensor(std::vector<float>{1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1})
          .view({4, 3})));
}

}  // namespace
}  // namespace cgm
}  // namespace seg
