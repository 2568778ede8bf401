#include "ganseg/encoder.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "common/testing/torch_errors.h"
#include "ganseg/config.h"
#include "ganseg/geometry.h"
#include "ganseg/heatmaps.h"
#include "ganseg/model.h"
#include "ganseg/tiny_config.h"
#include "torch/utils.h"

namespace seg {
namespace ganseg {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr Objective kBoth[] = {Objective::kAutoencoderA,
                               Objective::kAutoencoderB};

Config Tiny(Objective objective) {
  Config config = TinyConfig();
  config.objective = objective;
  config.autoencoder.widths = {4, 8};
  config.autoencoder.backbone = "tiny";
  return config;
}

at::Tensor Photographs(int64_t count) {
  return at::rand({count, 3, 32, 32}) * 255;
}

TEST(CodeNetworkTest, EitherBackbone) {
  torch::manual_seed(1);
  for (const std::string& name : CodeBackboneNames()) {
    CodeNetwork network(name, 5);
    EXPECT_THAT(network->forward(Photographs(2)).sizes(), ElementsAre(2, 5));
    network->eval();
    EXPECT_THAT(network->forward(Photographs(1)).sizes(), ElementsAre(1, 5));
  }
  ExpectError([] { CodeNetwork("vgg16", 5); },
              "backbone must be resnet18 or tiny, got vgg16");
}

// Modules that are there, by the first of their names.
std::set<std::string> Names(const torch::nn::Module& module) {
  std::set<std::string> names;
  for (const auto& item : module.named_parameters()) {
    names.insert(item.key().substr(0, item.key().find('.')));
  }
  return names;
}

TEST(EncoderTest, WhatTheTwoKindsConsistOf) {
  Model a(Tiny(Objective::kAutoencoderA));
  Model b(Tiny(Objective::kAutoencoderB));
  EXPECT_THAT(Names(*a), UnorderedElementsAre("generator", "encoder"));
  EXPECT_THAT(Names(*b), UnorderedElementsAre("generator", "encoder"));
  EXPECT_THAT(Names(*a->encoder()),
              UnorderedElementsAre("points", "appearance", "background"));
  EXPECT_THAT(Names(*b->encoder()),
              UnorderedElementsAre("masks", "appearance", "background"));
  const std::set<std::string> of_a = Names(*a->generator());
  const std::set<std::string> of_b = Names(*b->generator());
  for (const char* name : {"point_mlp", "appearance_mlp", "background_mlp"}) {
    EXPECT_EQ(of_a.count(name) + of_b.count(name), 0u) << name;
  }
  EXPECT_EQ(of_a.count("mask_block0"), 1u);
  EXPECT_EQ(of_b.count("mask_block0"), 0u);
  EXPECT_EQ(of_b.count("foreground_block0"), 1u);
}

TEST(EncoderTest, ShapesAndRanges) {
  torch::manual_seed(1);
  for (const Objective objective : kBoth) {
    Model model(Tiny(objective));
    const Generated again = model->Reconstruct(Photographs(2));
    EXPECT_THAT(again.images.sizes(), ElementsAre(2, 3, 32, 32));
    EXPECT_THAT(again.masks.sizes(), ElementsAre(2, 3, 32, 32));
    EXPECT_LT((again.masks.sum(1) - 1).abs().max().item<double>(), 1e-5);
    EXPECT_THAT(again.centres.sizes(), ElementsAre(2, 2, 2));
    EXPECT_THAT(again.scales.sizes(), ElementsAre(2, 2));
    EXPECT_LT(again.points.abs().max().item<double>(), 1);
    EXPECT_EQ(again.points.size(1),
              objective == Objective::kAutoencoderA ? 4 : 2);
    EXPECT_THAT(again.part_embeddings.sizes(), ElementsAre(2, 2, 4));
    EXPECT_THAT(again.background_embedding.sizes(), ElementsAre(2, 4));
  }
}

// But the bias of each map of points: a softmax does not see it.
TEST(EncoderTest, TheGradientReachesAllParameters) {
  torch::manual_seed(1);
  for (const Objective objective : kBoth) {
    Config config = Tiny(objective);
    // Reaches all pixels: the cone of a fresh part may lie between them.
    config.generator.heatmap = HeatmapType::kGaussian;
    config.generator.fixed_sigma = 0.5;
    Model model(config);
    const at::Tensor images = Photographs(3);
    at::mse_loss(model->Reconstruct(images).images, FromColours(images))
        .backward();
    for (const auto& item : model->named_parameters()) {
      ASSERT_TRUE(item.value().grad().defined()) << item.key();
      if (item.key() == "encoder.points.output.bias") continue;
      EXPECT_GT(item.value().grad().abs().max().item<double>(), 0)
          << item.key();
    }
  }
}

TEST(EncoderTest, EachPhotographAlone) {
  torch::manual_seed(1);
  const c10::NoGradGuard no_grad;
  for (const Objective objective : kBoth) {
    Model model(Tiny(objective));
    model->eval();
    const at::Tensor images = Photographs(3);
    const at::Tensor all = model->Reconstruct(images).images;
    const at::Tensor one = model->Reconstruct(images.narrow(0, 1, 1)).images;
    EXPECT_TRUE(at::allclose(all.narrow(0, 1, 1), one, 1e-4, 1e-5));
  }
}

TEST(EncoderTest, SegmentsPhotographsOfAnySize) {
  torch::manual_seed(1);
  const c10::NoGradGuard no_grad;
  for (const Objective objective : kBoth) {
    Model model(Tiny(objective));
    model->eval();
    EXPECT_TRUE(model->segments());
    const at::Tensor images = Photographs(2);
    const at::Tensor masks = model->Reconstruct(images).masks;
    const at::Tensor found = model->Segment(images);
    // The background comes first.
    EXPECT_TRUE(at::equal(found.select(1, 0), masks.select(1, 2)));
    EXPECT_TRUE(at::equal(found.narrow(1, 1, 2), masks.narrow(1, 0, 2)));
    EXPECT_THAT(model->Segment(at::zeros({1, 3, 40, 24})).sizes(),
                ElementsAre(1, 3, 40, 24));
  }
}

TEST(EncoderTest, ErrorsNameWhatWasExpected) {
  Model model(Tiny(Objective::kAutoencoderA));
  ExpectError(
      [&] {
        model->Reconstruct(at::zeros({2, 3, 16, 16}));
      },
      "images must be [N,3,32,32]");
  Generator& generator = model->generator();
  ExpectError(
      [&] { generator->forward(SampleLatents(1, generator->options())); },
      "has no networks of noise");
  Config config = Tiny(Objective::kAutoencoderA);
  config.stage = Stage::kSegmenter;
  EXPECT_FALSE(CheckNetworks(config).ok());
  config = Tiny(Objective::kAutoencoderA);
  config.autoencoder.widths.clear();
  EXPECT_FALSE(CheckNetworks(config).ok());
  config = Tiny(Objective::kAutoencoderB);
  config.segmenter.output_stride = 16;
  EXPECT_FALSE(CheckNetworks(config).ok());
}

TEST(RenderMasksTest, MasksAreTaken) {
  torch::manual_seed(1);
  const c10::NoGradGuard no_grad;
  Generator generator(ToOptions(TinyConfig().generator));
  generator->eval();
  Codes codes = generator->Embed(SampleLatents(2, generator->options()));
  const Generated whole = generator->Render(codes);
  const Generated again = generator->RenderMasks(whole.masks, codes);
  EXPECT_TRUE(at::equal(again.masks, whole.masks));
  EXPECT_TRUE(at::equal(again.background, whole.background));
  EXPECT_TRUE(at::equal(again.centres,
                        MaskCentres(whole.masks.narrow(1, 0, 2),
                                    GridAxis(GridType::kPixelCentred, 32, 0,
                                             at::dtype(at::kFloat)))));
  // Where all is background the foreground has no part in the picture.
  at::Tensor empty = at::zeros({2, 3, 32, 32});
  empty.select(1, 2).fill_(1);
  const at::Tensor first = generator->RenderMasks(empty, codes).images;
  codes.appearance = codes.appearance + 1;
  EXPECT_TRUE(at::equal(generator->RenderMasks(empty, codes).images, first));
  ExpectError([&] { generator->RenderMasks(empty.narrow(1, 0, 2), codes); },
              "masks must be [N,3,32,32], got [2, 2, 32, 32]");
}

}  // namespace
}  // namespace ganseg
}  // namespace seg
