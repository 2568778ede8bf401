#include "cgm/inference.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "cgm/pictures.h"
#include "cgm/tiny_model.h"
#include "common/testing/count_operators.h"

namespace seg {
namespace cgm {
namespace {

using ::testing::ElementsAre;

TEST(SystemTest, OutputsByTypeAndPath) {
  InferenceConfig config;
  EXPECT_THAT(System({MakeModel("cnn")}, config).Names(), ElementsAre("cnn"));
  EXPECT_THAT(System({MakeModel("gdnn")}, config).Names(),
              ElementsAre("both", "cnn", "gen"));
  config.path = InferencePath::kGen;
  config.samples = 3;
  EXPECT_THAT(System({MakeModel("cvae")}, config).Names(),
              ElementsAre("averaged", "gen", "both", "cnn"));
}

TEST(SystemTest, PathsByTheirDefinition) {
  const c10::InferenceMode inference;
  Model model = MakeModel("cvae", 3);
  const Batch batch = Images(2);
  const std::vector<at::Tensor> outputs =
      System({model}, InferenceConfig()).Predict(batch).probabilities;
  const at::Tensor x = batch.images / 255;
  const at::Tensor a = model->RunCnn(x).full;
  const at::Tensor g = model->Generate(model->Prior(x, a).mean);
  // Float convolutions in another memory layout.
  EXPECT_TRUE(at::allclose(outputs[0], at::softmax(a + g, 1), 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(outputs[1], at::softmax(2 * a, 1), 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(outputs[2], at::softmax(2 * g, 1), 1e-4, 1e-5));
}

TEST(SystemTest, SamplesAreAFunctionOfSeedAndImage) {
  const c10::InferenceMode inference;
  InferenceConfig config;
  config.samples = 20;  // more than a chunk
  Model model = MakeModel("hybrid");
  System predictor({model}, config);
  const Batch batch = Images(2);
  const at::Tensor both = predictor.Predict(batch).probabilities[0];
  EXPECT_TRUE(at::equal(both, predictor.Predict(batch).probabilities[0]));
  Batch second;
  second.images = batch.images.narrow(0, 1, 1);
  EXPECT_TRUE(at::allclose(both.narrow(0, 1, 1),
                           predictor.Predict(second).probabilities[0], 1e-4,
                           1e-5));
  config.seed = 1;
  EXPECT_FALSE(at::allclose(
      both, System({model}, config).Predict(batch).probabilities[0]));
  EXPECT_TRUE(at::allclose(both.sum(1), at::ones({2, 32, 32})));
}

TEST(SystemTest, AveragedIsTheMeanOfThePosteriors) {
  const c10::InferenceMode inference;
  InferenceConfig config;
  config.samples = 20;
  Model model = MakeModel("cvae");
  const Batch batch = Images(1);
  at::Generator generator = MakeGenerator(0);
  EXPECT_TRUE(at::allclose(
      System({model}, config).Predict(batch).probabilities[0],
      SamplePosteriors(model, model->Prepare(batch.images), 20, generator)
          .mean(0, /*keepdim=*/true)));
}

// Averaging over samples runs the CNN (two poolings) and the prior (three) once
// a batch, not once more an image.
TEST(SystemTest, NetworksOfTheImageRunOnce) {
  const c10::InferenceMode inference;
  InferenceConfig config;
  config.samples = 3;
  System predictor({MakeModel("cvae")}, config);
  EXPECT_EQ(
      CountOperators("aten::max_pool2d", [&] { predictor.Predict(Images(2)); }),
      5);
}

TEST(SystemTest, WhatDoesNotSampleHasNoSamples) {
  InferenceConfig config;
  config.samples = 3;
  EXPECT_THAT(System({MakeModel("gdnn")}, config).Names(),
              ElementsAre("both", "cnn", "gen"));
  at::Generator generator = MakeGenerator(0);
  Model gdnn = MakeModel("gdnn"), cvae = MakeModel("cvae");
  const at::Tensor x = at::rand({1, 3, 16, 16});
  EXPECT_THROW(SamplePosteriors(gdnn, x, 3, generator), c10::Error);
  EXPECT_THROW(SamplePosteriors(cvae, x, 0, generator), c10::Error);
}

TEST(SystemTest, AnEnsembleIsTheMeanOfItsModels) {
  const c10::InferenceMode inference;
  Model one = MakeModel("gdnn"), two = MakeModel("gdnn");
  two->named_parameters()["generator.head.bias"].add_(1);
  two->named_parameters()["cnn.head.weight"].mul_(-1);
  const Batch batch = Images(1);
  const InferenceConfig config;
  const at::Tensor mean =
      (System({one}, config).Predict(batch).probabilities[0] +
       System({two}, config).Predict(batch).probabilities[0]) /
      2;
  EXPECT_TRUE(
      at::allclose(System({one, two}, config).Predict(batch).probabilities[0],
                   mean, 1e-5, 1e-6));
  EXPECT_THROW(System({}, config), c10::Error);
}

TEST(SummarizeTest, ByHand) {
  // Two samples of one pixel pair: (1,0),(0,1) at the first, (1,0) twice at the
  // second.
  const at::Tensor posteriors =
      at::tensor(std::vector<float>{1, 1, 0, 0, 0, 1, 1, 0}).view({2, 2, 1, 2});
  const Uncertainty maps = Summarize(posteriors);
  EXPECT_FLOAT_EQ(maps.entropy[0][0].item<float>(), std::log(2.0f));
  EXPECT_FLOAT_EQ(maps.entropy[0][1].item<float>(), 0);
  EXPECT_FLOAT_EQ(maps.variance[0][0].item<float>(), 0.5f);
  EXPECT_FLOAT_EQ(maps.variance[0][1].item<float>(), 0);
}

TEST(PicturesTest, SizesAndGreys) {
  const at::Tensor image = at::zeros({3, 8, 10}, at::kByte);
  const at::Tensor picture =
      SamplesPicture(image, at::rand({5, 2, 8, 10}), {}, OverlayOptions(), 3);
  // Two rows of three, the last place empty; 4 pixels between.
  EXPECT_EQ(picture.sizes(), at::IntArrayRef({3, 20, 38}));
  EXPECT_TRUE(
      picture.narrow(1, 12, 8).narrow(2, 28, 10).eq(255).all().item<bool>());
  const at::Tensor grey = GreyPicture(
      at::tensor(std::vector<float>{0, 0.25, 0.5, 9}).view({1, 4}), 0.5);
  EXPECT_TRUE(at::equal(
      grey[1][0],
      at::tensor(std::vector<int64_t>{0, 128, 255, 255}).to(at::kByte)));
}

}  // namespace
}  // namespace cgm
}  // namespace seg
