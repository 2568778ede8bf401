#include "common/backbones/efficientnet_lite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "ATen/ATen.h"
#include "common/backbones/golden_inputs.h"
#include "common/backbones/state_dict.h"
#include "common/io/weights.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

EfficientNetLite LoadLite(int64_t variant, double drop_connect_rate = 0.2) {
  EfficientNetLite net(
      EfficientNetLiteOptions(variant).num_classes(1000).drop_connect_rate(
          drop_connect_rate));
  const absl::StatusOr<TensorMap> weights =
      ReadWeights(LiteWeightsPath(variant));
  EXPECT_OK(weights);
  if (weights.ok()) {
    EXPECT_OK(LoadStateDict(*net, *weights));
  }
  return net;
}

int64_t NumParameters(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const at::Tensor& p : module.parameters()) count += p.numel();
  return count;
}

class EfficientNetLiteTest : public ::testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Variants, EfficientNetLiteTest,
                         ::testing::Values(0, 1, 2));

// Names and shapes are the file format: equal to the Python package's.
TEST_P(EfficientNetLiteTest, NamesAndShapesEqualTheReference) {
  const EfficientNetLite net(
      EfficientNetLiteOptions(GetParam()).num_classes(1000));
  EXPECT_EQ(NamesAndShapes(*net),
            ReadGoldenNames("efficientnet_lite" + std::to_string(GetParam()) +
                            "_names.txt"));
}

// ImageNet weights on a synthetic image, at an even and an odd size. Both sides
// are float with other summation orders over some 60 layers: 1e-4 of the
// largest value.
TEST_P(EfficientNetLiteTest, FeaturesAndLogitsEqualTheReference) {
  const at::NoGradGuard no_grad;
  const TensorMap goldens = ReadGoldens();
  EfficientNetLite net = LoadLite(GetParam());
  net->eval();
  for (const auto& [height, width, size] :
       {std::tuple<int64_t, int64_t, std::string>{128, 160, "128x160"},
        std::tuple<int64_t, int64_t, std::string>{97, 131, "97x131"}}) {
    const std::string prefix =
        "lite" + std::to_string(GetParam()) + "." + size + ".";
    const at::Tensor x =
        ((GoldenImage(1, height, width) - 127) / 128).to(at::kFloat);
    const std::vector<at::Tensor> features = net(x);
    ASSERT_EQ(features.size(), 5u);
    for (int level = 0; level < 5; ++level) {
      const std::string name = prefix + "stride" + std::to_string(2 << level);
      EXPECT_LT(RelativeError(GoldenSample(features[level]), goldens.at(name)),
                1e-4)
          << name;
    }
    EXPECT_LT(RelativeError(GoldenSample(net->Classify(x)),
                            goldens.at(prefix + "logits")),
              1e-4)
        << prefix;
  }
}

// One training step in double: batch statistics, running averages and
// gradients. Double on both sides leaves rounding only: 1e-9.
TEST(EfficientNetLiteTrainingTest, GradientsEqualTheReference) {
  const TensorMap goldens = ReadGoldens();
  EfficientNetLite net = LoadLite(0, /*drop_connect_rate=*/0.0);
  net->to(at::kDouble);
  net->train();
  const std::vector<at::Tensor> features =
      net((GoldenImage(2, 64, 64) - 127) / 128);
  constexpr double kTolerance = 1e-9;
  EXPECT_LT(
      RelativeError(GoldenSample(features[2]), goldens.at("train.stride8")),
      kTolerance);
  at::Tensor loss = at::zeros({1}, at::kDouble);
  for (size_t level = 2; level < features.size(); ++level) {
    loss = loss + features[level].square().mean();
  }
  EXPECT_LT(RelativeError(loss, goldens.at("train.loss")), kTolerance);
  loss.sum().backward();
  const auto parameters = net->named_parameters();
  const auto buffers = net->named_buffers();
  for (const char* name :
       {"_conv_stem.weight", "_blocks.3._depthwise_conv.weight",
        "_blocks.9._bn1.weight", "_blocks.15._project_conv.weight"}) {
    EXPECT_LT(RelativeError(GoldenSample(parameters[name].grad()),
                            goldens.at(std::string("train.grad.") + name)),
              kTolerance)
        << name;
  }
  for (const char* name :
       {"_bn0.running_mean", "_blocks.15._bn2.running_var"}) {
    EXPECT_LT(RelativeError(GoldenSample(buffers[name]),
                            goldens.at(std::string("train.") + name)),
              kTolerance)
        << name;
  }
}

TEST(EfficientNetLiteShapeTest, LevelsHaveCeilOfTheSize) {
  const at::NoGradGuard no_grad;
  EfficientNetLite net(EfficientNetLiteOptions(0));
  net->eval();
  EXPECT_THAT(net->channels(), ElementsAre(16, 24, 40, 112, 320));
  for (const auto& [height, width] :
       {std::pair<int64_t, int64_t>{64, 96}, {33, 47}, {1, 1}}) {
    const std::vector<at::Tensor> features =
        net(at::zeros({2, 3, height, width}));
    for (int64_t level = 0; level < 5; ++level) {
      const int64_t stride = 2 << level;
      EXPECT_THAT(
          features[level].sizes(),
          ElementsAre(2, net->channels()[level], (height + stride - 1) / stride,
                      (width + stride - 1) / stride));
    }
  }
  EXPECT_EQ(net(at::zeros({0, 3, 64, 64})).back().size(0), 0);
}

TEST(EfficientNetLiteShapeTest, ParameterCounts) {
  const EfficientNetLite features(EfficientNetLiteOptions(0));
  const EfficientNetLite whole(EfficientNetLiteOptions(0).num_classes(1000));
  EXPECT_EQ(NumParameters(*whole), 4652008);
  // Less 1x1 head convolution, its batch norm and the classifier.
  EXPECT_EQ(NumParameters(*features),
            4652008 - 320 * 1280 - 2 * 1280 - 1281 * 1000);
}

TEST(EfficientNetLiteShapeTest, LayoutOfTheInputDoesNotMatter) {
  const at::NoGradGuard no_grad;
  EfficientNetLite net(EfficientNetLiteOptions(0));
  net->eval();
  const at::Tensor x = at::rand({1, 3, 40, 56});
  const at::Tensor y = net(x).back();
  EXPECT_TRUE(
      at::equal(y, net(x.contiguous(at::MemoryFormat::ChannelsLast)).back()));
  EXPECT_TRUE(
      at::equal(y, net(x.transpose(2, 3).contiguous().transpose(2, 3)).back()));
}

TEST(EfficientNetLiteModeTest, DropConnectFollowsModeAndGenerator) {
  const at::NoGradGuard no_grad;
  // Batch statistics are the same in each pass over the same batch, so a
  // difference comes from drop-connect alone.
  EfficientNetLite dropping(EfficientNetLiteOptions(0).drop_connect_rate(0.5));
  const at::Tensor x = at::rand({4, 3, 32, 32});
  at::manual_seed(3);
  const at::Tensor first = dropping(x)[3];
  const at::Tensor second = dropping(x)[3];
  at::manual_seed(3);
  EXPECT_TRUE(at::equal(first, dropping(x)[3]));
  EXPECT_FALSE(at::equal(first, second));
  dropping->eval();
  EXPECT_TRUE(at::equal(dropping(x)[3], dropping(x)[3]));

  EfficientNetLite fixed(EfficientNetLiteOptions(0).drop_connect_rate(0));
  EXPECT_TRUE(at::equal(fixed(x)[3], fixed(x)[3]));
}

TEST(EfficientNetLiteModeTest, BatchOfOneEqualsItsRowOfABatchInEvalMode) {
  const at::NoGradGuard no_grad;
  EfficientNetLite net(EfficientNetLiteOptions(0));
  net->eval();
  const at::Tensor x = at::rand({2, 3, 48, 48});
  // Float, another blocking of the batch: 1e-5 of the largest value.
  EXPECT_LT(RelativeError(net(x.narrow(0, 1, 1)).back(),
                          net(x).back().narrow(0, 1, 1)),
            1e-5);
}

TEST(EfficientNetLiteErrorTest, NamesArgumentAndValue) {
  const auto message = [](const auto& f) -> std::string {
    try {
      f();
    } catch (const c10::Error& e) {
      return e.what_without_backtrace();
    }
    return "";
  };
  EXPECT_THAT(message([] { EfficientNetLite net(EfficientNetLiteOptions(3)); }),
              HasSubstr("variant must be 0, 1 or 2, got 3"));
  EXPECT_THAT(
      message([] {
        EfficientNetLite net(EfficientNetLiteOptions(0).drop_connect_rate(1));
      }),
      HasSubstr("drop_connect_rate must be in [0,1), got 1"));
  EfficientNetLite net(EfficientNetLiteOptions(0));
  EXPECT_THAT(message([&] {
                net(at::zeros({1, 4, 32, 32}));
              }),
              HasSubstr("x must be [N,3,H,W], got [1, 4, 32, 32]"));
  EXPECT_THAT(message([&] {
                net->Classify(at::zeros({1, 3, 32, 32}));
              }),
              HasSubstr("Classify needs num_classes > 0"));
}

}  // namespace
}  // namespace seg
