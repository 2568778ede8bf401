#include "ganseg/embedding_map.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/io/voc_palette.h"
#include "common/testing/status_matchers.h"
#include "common/testing/torch_errors.h"
#include "ganseg/generated_pictures.h"
#include "ganseg/tiny_config.h"
#include "torch/utils.h"

namespace seg {
namespace ganseg {
namespace {

using Colour = std::array<uint8_t, 3>;

constexpr Colour kWhite = {255, 255, 255};

Colour At(const at::Tensor& picture, int64_t row, int64_t column) {
  const auto pixels = picture.accessor<uint8_t, 3>();
  return {pixels[0][row][column], pixels[1][row][column],
          pixels[2][row][column]};
}

int64_t Count(const at::Tensor& picture, const Colour& colour) {
  const at::Tensor wanted =
      at::tensor({int{colour[0]}, int{colour[1]}, int{colour[2]}}, at::kByte);
  return picture.eq(wanted.view({3, 1, 1})).all(0).sum().item<int64_t>();
}

TEST(DrawPoints, EachLiesWhereItBelongs) {
  // A right angle: 400 pixels wide, 200 high, so in the middle of the height.
  const at::Tensor positions =
      at::tensor({-1.0, 2.0, 3.0, 2.0, -1.0, 4.0}, at::kDouble).view({3, 2});
  const at::Tensor labels = at::tensor({0, 1, 2}, at::kLong);
  // The margin is 12: columns 12 .. 412, the middle at 212.
  const at::Tensor picture = DrawPoints(positions, labels, 425);
  ASSERT_EQ(picture.sizes(), at::IntArrayRef({3, 425, 425}));
  EXPECT_EQ(At(picture, 312, 12), VocColour(0));
  EXPECT_EQ(At(picture, 312, 412), VocColour(1));
  EXPECT_EQ(At(picture, 112, 12), VocColour(2));
  EXPECT_EQ(VocColour(0), (Colour{0, 0, 0}));
  // Discs: the pixels of radius 3 are 29.
  EXPECT_EQ(At(picture, 312, 15), VocColour(0));
  EXPECT_EQ(At(picture, 312, 16), kWhite);
  for (int64_t label = 0; label < 3; ++label) {
    EXPECT_EQ(Count(picture, VocColour(label)), 29) << label;
  }
  EXPECT_EQ(Count(picture, kWhite), 425 * 425 - 3 * 29);
  // Any type and layout.
  EXPECT_TRUE(at::equal(
      DrawPoints(positions.to(at::kFloat).t().contiguous().t(), labels, 425),
      picture));
}

TEST(DrawPoints, ALaterPointCoversAnEarlierOne) {
  // Points in one place, as many as there are: in the middle.
  const at::Tensor picture =
      DrawPoints(at::ones({2, 2}), at::tensor({1, 2}, at::kLong), 25);
  EXPECT_EQ(At(picture, 12, 12), VocColour(2));
  EXPECT_EQ(Count(picture, VocColour(1)), 0);
  EXPECT_EQ(
      Count(DrawPoints(at::zeros({0, 2}), at::zeros({0}, at::kLong)), kWhite),
      480 * 480);
}

TEST(DrawPoints, Errors) {
  const at::Tensor labels = at::zeros({2}, at::kLong);
  ExpectError(
      [&] {
        DrawPoints(at::zeros({2, 3}), labels);
      },
      "positions must be [N,2], got [2, 3]");
  ExpectError(
      [&] {
        DrawPoints(at::zeros({3, 2}), labels);
      },
      "labels must be int64 [3], got Long [2]");
  ExpectError(
      [&] {
        DrawPoints(at::full({2, 2}, NAN), labels);
      },
      "positions must be finite");
  ExpectError(
      [&] {
        DrawPoints(at::zeros({2, 2}), labels, 24);
      },
      "size must be larger than 24, got 24");
}

Findings Find(Model model, int64_t samples, const TsneOptions& options = {},
              uint64_t seed = 1) {
  model->eval();
  const c10::InferenceMode inference;  // as in Evaluate
  PictureMeasures measures;
  measures.push_back(std::make_unique<TsneMap>(options));
  GeneratedPictures pictures(model, samples, seed, std::move(measures));
  Findings findings;
  EXPECT_OK(pictures.Finish(&findings));
  return findings;
}

// All pictures have the same vectors: each part is one place.
TEST(TsneMap, ClustersFarApart) {
  torch::manual_seed(3);
  Model model(TinyConfig());
  {
    const c10::NoGradGuard no_grad;
    auto parameters = model->generator()->named_parameters();
    for (const char* name : {"appearance_mlp", "background_mlp"}) {
      parameters[std::string(name) + ".linear3.weight"].zero_();
      parameters[std::string(name) + ".linear3.bias"].fill_(1);
    }
    parameters["part_embedding"][0].fill_(-9);
    parameters["part_embedding"][1].fill_(9);
  }
  TsneOptions options;
  options.iterations = 500;
  // More than a batch of DrawSamples.
  const Findings findings = Find(model, 40, options);
  EXPECT_NEAR(findings.scalars.at("embedding_silhouette_raw"), 1, 1e-6);
  EXPECT_GT(findings.scalars.at("embedding_silhouette"), 0.5);
  ASSERT_EQ(findings.report.pictures.size(), 1u);
  ASSERT_EQ(findings.report.pictures[0].panels.size(), 1u);
  const at::Tensor picture = findings.report.pictures[0].panels[0].rgb;
  EXPECT_EQ(picture.sizes(), at::IntArrayRef({3, 480, 480}));
  EXPECT_EQ(picture.scalar_type(), at::kByte);
  for (int64_t label = 0; label < 3; ++label) {
    EXPECT_GE(Count(picture, VocColour(label)), 29) << label;
  }
}

TEST(TsneMap, FewSamplesOfAnUntrainedModel) {
  torch::manual_seed(3);
  Model model(TinyConfig());
  const Findings findings = Find(model, 4);
  for (const char* name :
       {"embedding_silhouette", "embedding_silhouette_raw"}) {
    EXPECT_TRUE(std::isfinite(findings.scalars.at(name))) << name;
  }
  // A function of the seed.
  EXPECT_EQ(Find(model, 4).scalars, findings.scalars);
  EXPECT_NE(Find(model, 4, {}, 2).scalars, findings.scalars);
  // The fewest that eval.samples allows, of the fewest parts.
  Config config = TinyConfig();
  config.generator.parts = 1;
  EXPECT_TRUE(
      std::isfinite(Find(Model(config), 2).scalars.at("embedding_silhouette")));
}

TEST(TsneMap, TheVectorsAreThoseOfTheGenerator) {
  torch::manual_seed(3);
  Generator generator(ToOptions(TinyConfig().generator));
  generator->eval();
  const c10::NoGradGuard no_grad;
  const Codes codes = generator->Embed(SampleLatents(3, generator->options()));
  const Generated generated = generator->Render(codes);
  EXPECT_TRUE(at::equal(generated.background_embedding, codes.background));
  EXPECT_EQ(generated.part_embeddings.sizes(), at::IntArrayRef({3, 2, 4}));
}

}  // namespace
}  // namespace ganseg
}  // namespace seg
