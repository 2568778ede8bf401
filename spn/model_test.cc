#include "spn/model.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/base/runfiles.h"
#include "common/datasets/open.h"
#include "common/io/file.h"
#include "common/testing/status_matchers.h"
#include "spn/task.h"

namespace seg {
namespace spn {
namespace {

using ::testing::ElementsAre;

DatasetInfo Info(int64_t classes) {
  DatasetInfo info;
  for (int64_t c = 0; c < classes; ++c) {
    info.class_names.push_back("c" + std::to_string(c));
  }
  info.palette.resize(classes);
  return info;
}

Config Small() {
  Config config;
  config.coarse.widths = {4, 8};
  config.coarse.scale = 4;
  config.refine.channels = 4;
  config.refine.guidance_widths = {4, 8, 8};
  config.patch.size = 16;
  return config;
}

Batch MakeImages(int64_t n, int64_t height, int64_t width) {
  Batch batch;
  batch.images = at::rand({n, 3, height, width}) * 255;
  batch.masks = at::randint(3, {n, height, width}, at::kLong);
  return batch;
}

bool IsDistribution(const at::Tensor& p) {
  return (p >= 0).all().item<bool>() &&
         at::allclose(p.sum(1), at::ones_like(p.select(1, 0)), 1e-4, 1e-5);
}

TEST(CoarseTruthTest, ByHand) {
  // 2 x 3 pixels at scale 2: a whole block and one that is cut.
  const at::Tensor masks =
      at::tensor(std::vector<int64_t>{0, 1, 255, 1, 1, 255}).view({1, 2, 3});
  const at::Tensor p = CoarseTruth(masks, 2, 255, 2);
  ASSERT_EQ(p.sizes(), at::IntArrayRef({1, 2, 1, 2}));
  EXPECT_FLOAT_EQ(p[0][0][0][0].item<float>(), 0.25f);
  EXPECT_FLOAT_EQ(p[0][1][0][0].item<float>(), 0.75f);
  EXPECT_FLOAT_EQ(p[0][0][0][1].item<float>(), 0.5f);  // nothing labelled
}

TEST(CoarseTruthTest, IgnoredPixelsHaveNoSay) {
  const at::Tensor masks =
      at::tensor(std::vector<int64_t>{255, 255, 255, 1}).view({1, 2, 2});
  EXPECT_TRUE(at::allclose(CoarseTruth(masks, 2, 255, 2).flatten(),
                           at::tensor({0.0f, 1.0f})));
}

TEST(ModelTest, EveryRefinementPredictsDistributionsOfAnySize) {
  at::manual_seed(1);
  const at::InferenceMode inference;
  for (const auto& [type, type_name] : EnumNames(RefineType())) {
    for (const auto& [source, source_name] : EnumNames(CoarseSource())) {
      Config config = Small();
      config.refine.type = type;
      config.coarse.source = source;
      Model model(config, Info(3));
      model->eval();
      for (const auto& [h, w] : std::vector<std::pair<int64_t, int64_t>>{
               {32, 48}, {33, 21}, {5, 7}}) {
        Batch batch = MakeImages(2, h, w);
        batch.probabilities = at::softmax(at::randn({2, 3, h, w}), 1);
        const std::vector<at::Tensor> outputs = model->Predict(batch);
        ASSERT_EQ(outputs.size(), model->OutputNames().size());
        for (const at::Tensor& p : outputs) {
          EXPECT_EQ(p.sizes(), at::IntArrayRef({2, 3, h, w}));
          EXPECT_TRUE(IsDistribution(p)) << type_name << " " << source_name;
        }
      }
    }
  }
}

TEST(ModelTest, TheCoarseTruthKeepsItsPlaceAtAnySize) {
  // Sides that are no multiple of the scale: as if ignored pixels followed.
  at::manual_seed(8);
  Config config = Small();
  config.coarse.source = CoarseSource::kTruth;
  config.refine.type = RefineType::kNone;
  Model model(config, Info(3));
  Batch batch = MakeImages(2, 10, 13);
  const at::Tensor coarse = model->Predict(batch)[0];
  batch.images = at::constant_pad_nd(batch.images, {0, 3, 0, 2}, 0);
  batch.masks = at::constant_pad_nd(batch.masks, {0, 3, 0, 2}, 255);
  EXPECT_TRUE(
      coarse.equal(model->Predict(batch)[0].narrow(2, 0, 10).narrow(3, 0, 13)));
}

TEST(ModelTest, OutputsAreNamed) {
  Config config = Small();
  EXPECT_THAT(Model(config, Info(3))->OutputNames(),
              ElementsAre("spn", "coarse"));
  config.refine.type = RefineType::kNone;
  EXPECT_THAT(Model(config, Info(3))->OutputNames(), ElementsAre("coarse"));
}

TEST(ModelTest, WhatASourceNeedsIsSaid) {
  Config config = Small();
  config.coarse.source = CoarseSource::kData;
  Batch batch = MakeImages(1, 16, 16);
  EXPECT_THAT([&] { Model(config, Info(3))->Predict(batch); },
              testing::Throws<c10::Error>(
                  testing::Property(&c10::Error::what_without_backtrace,
                                    testing::HasSubstr("data.probabilities"))));
  config.coarse.source = CoarseSource::kTruth;
  batch.masks = at::Tensor();
  EXPECT_THROW(Model(config, Info(3))->Predict(batch), c10::Error);
}

TEST(ModelTest, RestrictionLeavesOnlyClassesOfTheCoarseMap) {
  at::manual_seed(2);
  Config config = Small();
  config.coarse.source = CoarseSource::kData;
  config.refine.restrict_to_coarse = true;
  Model model(config, Info(3));
  model->eval();
  Batch batch = MakeImages(2, 16, 16);
  batch.probabilities = at::zeros({2, 3, 16, 16});
  batch.probabilities[0][0].fill_(1);  // image 0: class 0 alone
  batch.probabilities[1][1].fill_(1);
  batch.probabilities[1].select(2, 3).fill_(0);
  batch.probabilities[1][2].select(1, 3).fill_(1);  // image 1: classes 1, 2
  const at::Tensor labels = model->Predict(batch)[0].argmax(1);
  EXPECT_TRUE(labels[0].eq(0).all().item<bool>());
  EXPECT_TRUE(labels[1].ne(0).all().item<bool>());
}

TEST(ModelTest, APaddedSquareGivesWhatThePartInsideGives) {
  at::manual_seed(3);
  const at::InferenceMode inference;
  Config config = Small();
  config.coarse.source = CoarseSource::kData;
  Model plain(config, Info(3));
  config.refine.pad_to = 32;
  Model padded(config, Info(3));
  for (const auto& item : plain->named_parameters()) {
    padded->named_parameters()[item.key()].copy_(item.value());
  }
  plain->eval();
  padded->eval();
  const auto images = [](int64_t height, int64_t width) {
    Batch batch = MakeImages(1, height, width);
    batch.probabilities = at::softmax(at::randn({1, 3, height, width}), 1);
    return batch;
  };
  // An image of the square's size is not changed by the padding rule.
  const Batch square = images(32, 32);
  EXPECT_TRUE(at::allclose(plain->Predict(square)[0],
                           padded->Predict(square)[0], 1e-5, 1e-6));
  EXPECT_TRUE(padded->PredictGates(square.images)
                  .allclose(plain->Gates(square.images), 1e-5, 1e-6));
  // A smaller one lies at the top left; beside it the mean colour and class 0.
  const Batch small = images(21, 26);
  Batch canvas = images(32, 32);
  canvas.images.copy_(at::tensor({124.0f, 116.0f, 104.0f}).view({1, 3, 1, 1}));
  canvas.probabilities.zero_().select(1, 0).fill_(1);
  canvas.images.narrow(2, 0, 21).narrow(3, 0, 26).copy_(small.images);
  canvas.probabilities.narrow(2, 0, 21).narrow(3, 0, 26).copy_(
      small.probabilities);
  EXPECT_TRUE(at::allclose(
      padded->Predict(small)[0],
      plain->Predict(canvas)[0].narrow(2, 0, 21).narrow(3, 0, 26), 1e-5, 1e-6));
  EXPECT_TRUE(
      padded->PredictGates(small.images)
          .allclose(
              plain->Gates(canvas.images).narrow(2, 0, 11).narrow(3, 0, 13),
              1e-5, 1e-6));
  // A larger one is made smaller and comes back at its own size.
  const Batch large = images(50, 70);
  EXPECT_EQ(padded->Predict(large)[0].sizes(), at::IntArrayRef({1, 3, 50, 70}));
  EXPECT_EQ(padded->PredictGates(large.images).sizes().slice(2),
            at::IntArrayRef({12, 16}));
  // Without the square: to multiples of the guidance network's stride.
  EXPECT_TRUE(
      plain->PredictGates(small.images)
          .equal(plain->Gates(at::replication_pad2d(small.images, {0, 2, 0, 3}))
                     .narrow(2, 0, 11)
                     .narrow(3, 0, 13)));
}

TEST(ModelTest, GateScaleZeroStartsWithoutPropagation) {
  Config config = Small();
  config.refine.gate_scale = 0;
  Model model(config, Info(3));
  EXPECT_EQ(
      model->Gates(at::rand({2, 3, 16, 16}) * 255).abs().max().item<float>(),
      0.0f);
}

TEST(ConfigTest, EveryConfigurationBinds) {
  int64_t configurations = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(Runfile("spn/configs"))) {
    const std::string path = entry.path().string();
    ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(path));
    Config config;
    EXPECT_OK(ParseConfig(text, path, {}, &config)) << path;
    // ImageNet weights come with the EfficientNets alone (pretrained.h).
    for (const auto& [network, weights] :
         {std::pair(config.coarse.network, config.coarse.weights),
          {config.refine.guidance, config.refine.guidance_weights}}) {
      EXPECT_TRUE(weights.empty() || network.rfind("efficientnet", 0) == 0)
          << path;
    }
    Model(config, Info(11));  // throws where it excludes itself
    ++configurations;
  }
  EXPECT_EQ(configurations, 19);
}

class TaskTest : public testing::Test {
 protected:
  void SetUp() override {
    at::manual_seed(4);
    DataConfig data;
    data.synthetic.val = 2;
    data.synthetic.height = data.synthetic.width = 32;
    ASSERT_OK_AND_ASSIGN(val_, OpenDataset(data, "", "val"));
    ASSERT_OK_AND_ASSIGN(const Sample sample, val_->Get(0));
    batch_ = MakeBatch(sample, c10::kCPU);
  }
  // Which groups receive a gradient from the loss.
  std::vector<std::string> Trained(const Config& config) {
    Model model(config, val_->info());
    SpnTask task(config, model);
    task.SetTraining(0);
    const StepLoss loss = task.Loss(0, batch_, 0);
    loss.loss.backward();
    EXPECT_TRUE(std::isfinite(loss.loss.item<double>()));
    std::vector<std::string> names;
    const std::vector<Phase> phases = task.Phases();
    for (const ParameterGroup& group : phases[0].groups) {
      for (const at::Tensor& p : group.parameters) {
        if (p.grad().defined() && p.grad().abs().max().item<double>() > 0) {
          names.push_back(group.name);
          break;
        }
      }
    }
    return names;
  }
  std::shared_ptr<const Dataset> val_;
  Batch batch_;
};

TEST_F(TaskTest, EachSettingTrainsItsParts) {
  Config config = Small();
  EXPECT_THAT(Trained(config), ElementsAre("coarse", "guidance", "head"));
  // Through the refinement alone too: joint training.
  config.loss.coarse = 0;
  EXPECT_THAT(Trained(config), ElementsAre("coarse", "guidance", "head"));
  config.groups.coarse_lr = 0;
  EXPECT_THAT(Trained(config), ElementsAre("guidance", "head"));
  config.refine.type = RefineType::kConvolution;
  EXPECT_THAT(Trained(config), ElementsAre("guidance", "head"));
  config.groups.coarse_lr = 1;
  config.refine.type = RefineType::kNone;
  EXPECT_THAT(Trained(config), ElementsAre("coarse"));
  config.coarse.source = CoarseSource::kTruth;
  EXPECT_THROW(Trained(config), c10::Error);
}

TEST_F(TaskTest, TheReleasedProtocolTrainsItsParts) {
  for (const char* name : {"voc2012_three_way", "helen_three_way"}) {
    const std::string path =
        Runfile("spn/configs/" + std::string(name) + ".yaml");
    ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(path));
    Config config;
    ASSERT_OK(ParseConfig(text, path, {"patch.size=32", "patch.per_image=3"},
                          &config));
    batch_.probabilities =
        at::softmax(at::randn({1, val_->info().num_classes(), 32, 32}), 1);
    if (config.coarse.source == CoarseSource::kData) {
      EXPECT_THAT(Trained(config),
                  ElementsAre("guidance", "guidance_backbone", "head"));
    } else {
      EXPECT_THAT(Trained(config), ElementsAre("guidance", "head"));
    }
  }
}

TEST_F(TaskTest, TheSumIsOverAPatch) {
  Config config = Small();
  config.patch.per_image = 2;
  config.groups.coarse_lr = 0;
  const auto loss = [&](Reduction reduction) {
    config.loss.reduction = reduction;
    at::manual_seed(9);
    Model model(config, val_->info());
    SpnTask task(config, model);
    model->eval();
    at::manual_seed(10);
    return task.Loss(0, batch_, 0).loss.item<double>();
  };
  EXPECT_NEAR(loss(Reduction::kSum), 16 * 16 * loss(Reduction::kMean), 1e-2);
}

TEST_F(TaskTest, ABatchWithoutALabelHasNoLossAndNoNan) {
  batch_.masks.fill_(255);
  Config config = Small();
  Model model(config, val_->info());
  SpnTask task(config, model);
  const StepLoss loss = task.Loss(0, batch_, 0);
  EXPECT_EQ(loss.loss.item<double>(), 0.0);
  loss.loss.backward();
  for (const at::Tensor& p : model->parameters()) {
    if (p.grad().defined()) {
      EXPECT_EQ(p.grad().abs().max().item<double>(), 0.0);
    }
  }
}

}  // namespace
}  // namespace spn
}  // namespace seg
