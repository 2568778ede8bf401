#include "segnet_rerank/segnet.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "common/base/usage_error.h"
#include "common/config/config.h"
#include "common/testing/status_matchers.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace segnet_rerank {
namespace {

using ::testing::HasSubstr;

SegNetConfig MakeConfig(Trunk trunk, const std::string& weights = "") {
  SegNetConfig config;
  config.trunk = trunk;
  config.weights = weights;
  return config;
}

// One cell of a trunk that counts as loaded.
SegNetConfig FrozenConfig(Trunk trunk, int64_t grid = 1) {
  SegNetConfig config = MakeConfig(trunk, "given");
  config.grid = grid;
  config.width = 4;
  return config;
}

int64_t NumParameters(const std::vector<at::Tensor>& parameters) {
  int64_t count = 0;
  for (const at::Tensor& p : parameters) count += p.numel();
  return count;
}

struct Total {
  int64_t kernel, head, total;
};
class SegNetTotalTest : public ::testing::TestWithParam<Total> {};
INSTANTIATE_TEST_SUITE_P(
    Kernels, SegNetTotalTest,
    ::testing::Values(Total{1, 32896 + 16512 + 2709, 2386197},
                      Total{3, 295040 + 147584 + 24213, 2800917},
                      Total{5, 819328 + 409728 + 67221, 3630357},
                      Total{7, 1605760 + 802944 + 131733, 4874517},
                      Total{9, 2654336 + 1327232 + 217749, 6533397}));

TEST_P(SegNetTotalTest, OfThePaperWithCaffeNet) {
  SegNetConfig config = MakeConfig(Trunk::kCaffeNet);
  config.kernel = GetParam().kernel;
  const SegNet net(config, 21);
  EXPECT_EQ(NumParameters(net->head_parameters()), GetParam().head);
  EXPECT_EQ(NumParameters(net->parameters()), GetParam().total);
  // The paper: less than a tenth of CaffeNet's 60,965,224.
  EXPECT_EQ(GetParam().total < 6096522, GetParam().kernel < 9);
}

TEST(SegNetTest, TotalsOfTheOtherTrunks) {
  EXPECT_EQ(
      NumParameters(
          SegNet(MakeConfig(Trunk::kEfficientNetLite0), 21)->parameters()),
      3499413);
  EXPECT_EQ(NumParameters(SegNet(MakeConfig(Trunk::kTiny), 21)->parameters()),
            276389);
}

TEST(SegNetTest, ImagesOfAnySizeGiveThirteenByThirteenCells) {
  const at::NoGradGuard no_grad;
  for (const auto& [trunk, size, channels] :
       {std::tuple<Trunk, int64_t, int64_t>{Trunk::kEfficientNetLite0, 208,
                                            320},
        std::tuple<Trunk, int64_t, int64_t>{Trunk::kCaffeNet, 227, 256},
        std::tuple<Trunk, int64_t, int64_t>{Trunk::kTiny, 104, 48}}) {
    SegNet net(MakeConfig(trunk), 5);
    net->eval();
    EXPECT_EQ(net->input_size(), size);
    EXPECT_EQ(net->feature_channels(), channels);
    const at::Tensor images = 255 * at::rand({2, 3, 61, 240});
    const at::Tensor features = net->Features(images);
    EXPECT_EQ(features.sizes(), at::IntArrayRef({2, channels, 13, 13}));
    const at::Tensor scores = net(images);
    EXPECT_EQ(scores.sizes(), at::IntArrayRef({2, 5, 13, 13}));
    EXPECT_TRUE(scores.is_contiguous());
    EXPECT_TRUE(at::equal(net->FromFeatures(features), scores));
  }
}

TEST(SegNetTest, OtherGrids) {
  const at::NoGradGuard no_grad;
  for (const Trunk trunk :
       {Trunk::kEfficientNetLite0, Trunk::kCaffeNet, Trunk::kTiny}) {
    SegNetConfig config = MakeConfig(trunk);
    config.grid = 3;
    config.kernel = 1;
    SegNet net(config, 2);
    net->eval();
    EXPECT_EQ(net(at::zeros({1, 3, 40, 30})).sizes(),
              at::IntArrayRef({1, 2, 3, 3}));
    EXPECT_EQ(net(at::zeros({0, 3, 40, 30})).sizes(),
              at::IntArrayRef({0, 2, 3, 3}));
  }
}

TEST(SegNetTest, ResizesTheWholeImage) {
  const at::NoGradGuard no_grad;
  SegNet net(MakeConfig(Trunk::kTiny), 3);
  net->eval();
  // A constant image is the same at every size.
  const at::Tensor colour =
      at::tensor({200.0f, 20.0f, 90.0f}).view({1, 3, 1, 1});
  const at::Tensor small = net(colour.expand({1, 3, 104, 104}));
  EXPECT_TRUE(
      at::allclose(net(colour.expand({1, 3, 208, 300})), small, 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(net(colour), small, 1e-4, 1e-5));
  // A side by side picture: the left cells see the left colour.
  at::Tensor wide = at::zeros({1, 3, 104, 500});
  wide.narrow(3, 0, 250).fill_(255);
  at::Tensor square = at::zeros({1, 3, 104, 104});
  square.narrow(3, 0, 52).fill_(255);
  const at::Tensor a = net->Features(wide), b = net->Features(square);
  EXPECT_LT((a - b).abs().mean().item<double>(),
            0.1 * b.abs().mean().item<double>());
}

TEST(SegNetTest, InitialPredictionsAreAboutEqual) {
  const at::NoGradGuard no_grad;
  at::manual_seed(1);
  SegNet net(MakeConfig(Trunk::kTiny), 21);
  net->eval();
  const at::Tensor p = at::softmax(net(255 * at::rand({2, 3, 104, 104})), 1);
  EXPECT_GT(p.min().item<double>(), 0.3 / 21);
  EXPECT_LT(p.max().item<double>(), 3.0 / 21);
}

TEST(SegNetTest, DropoutInTrainingAlone) {
  at::manual_seed(2);
  SegNetConfig config = MakeConfig(Trunk::kTiny);
  SegNet net(config, 3);
  const at::Tensor map = at::rand({1, 48, 13, 13});
  EXPECT_FALSE(at::equal(net->FromFeatures(map), net->FromFeatures(map)));
  net->eval();
  EXPECT_TRUE(at::equal(net->FromFeatures(map), net->FromFeatures(map)));
  config.dropout = 0;
  SegNet plain(config, 3);
  EXPECT_TRUE(at::equal(plain->FromFeatures(map), plain->FromFeatures(map)));
}

TEST(SegNetTest, AFrozenTrunkHasNoGradientsAndStandsStill) {
  for (const Trunk trunk : {Trunk::kEfficientNetLite0, Trunk::kCaffeNet}) {
    SegNet net(FrozenConfig(trunk, 2), 3);
    EXPECT_TRUE(net->frozen());
    EXPECT_TRUE(net->trunk_parameters().empty());
    net->train();
    EXPECT_TRUE(net->is_training());
    EXPECT_FALSE(net->named_children()["trunk"]->is_training());
    std::vector<at::Tensor> before;
    for (const at::Tensor& b : net->buffers()) before.push_back(b.clone());
    const at::Tensor images = 255 * at::rand({2, 3, 40, 40});
    EXPECT_FALSE(net->Features(images).requires_grad());
    net(images).square().sum().backward();
    for (const at::Tensor& p : net->named_children()["trunk"]->parameters()) {
      EXPECT_FALSE(p.requires_grad());
      EXPECT_FALSE(p.grad().defined());
    }
    for (const at::Tensor& p : net->head_parameters()) {
      EXPECT_TRUE(p.grad().defined());
    }
    for (size_t i = 0; i < before.size(); ++i) {
      EXPECT_TRUE(at::equal(net->buffers()[i], before[i]));
    }
  }
}

TEST(SegNetTest, KeptFeaturesHaveTheScoresOfTheImage) {
  at::manual_seed(6);
  for (const Trunk trunk : {Trunk::kEfficientNetLite0, Trunk::kCaffeNet}) {
    SegNet net(FrozenConfig(trunk, 5), 7);
    net->eval();
    const at::Tensor image = at::rand({1, 3, 70, 90}) * 255;
    const at::NoGradGuard no_grad;
    const at::Tensor kept = net->Features(image).contiguous();  // as on disk
    EXPECT_TRUE(
        at::equal(net->FromFeatures(kept.contiguous(net->feature_layout())),
                  net->forward(image)));
  }
}

TEST(SegNetTest, ATrunkFromScratchOrToBeTunedTrains) {
  SegNetConfig tuned = FrozenConfig(Trunk::kEfficientNetLite0, 2);
  tuned.freeze_trunk = false;
  for (const SegNetConfig& config : {MakeConfig(Trunk::kTiny), tuned}) {
    SegNet net(config, 3);
    EXPECT_FALSE(net->frozen());
    net(255 * at::rand({2, 3, 40, 40})).square().sum().backward();
    EXPECT_EQ(net->trunk_parameters().size() + net->head_parameters().size(),
              net->parameters().size());
    for (const at::Tensor& p : net->trunk_parameters()) {
      EXPECT_TRUE(p.grad().defined());
    }
  }
}

TEST(SegNetTest, TrainsInDouble) {
  SegNetConfig config = FrozenConfig(Trunk::kCaffeNet, 1);
  SegNet net(config, 2);
  net->to(at::kDouble);
  EXPECT_EQ(net(at::rand({1, 3, 50, 20}, at::kDouble)).scalar_type(),
            at::kDouble);
}

TEST(SegNetWeightsTest, ThatComeWithTheBuild) {
  SegNetConfig config;
  config.grid = 2;
  config.width = 4;
  SegNet net(config, 3);
  const at::Tensor images = 255 * at::rand({1, 3, 32, 32});
  const at::Tensor before = net->Features(images);
  const at::Tensor head = net->head_parameters()[0].clone();
  EXPECT_OK(LoadTrunk(&net));
  EXPECT_FALSE(at::equal(net->Features(images), before));
  EXPECT_TRUE(at::equal(net->head_parameters()[0], head));
}

TEST(SegNetWeightsTest, ThatATrunkDoesNotHave) {
  const auto load = [](Trunk trunk, const std::string& weights) {
    SegNetConfig config = MakeConfig(trunk, weights);
    config.width = 4;
    SegNet net(config, 3);
    return LoadTrunk(&net);
  };
  EXPECT_OK(load(Trunk::kTiny, ""));
  EXPECT_OK(load(Trunk::kCaffeNet, ""));
  EXPECT_THAT(load(Trunk::kTiny, "imagenet"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("the trunk tiny starts at random")));
  EXPECT_TRUE(IsUsageError(load(Trunk::kTiny, "imagenet")));
  EXPECT_TRUE(IsUsageError(load(Trunk::kCaffeNet, "imagenet")));
  EXPECT_THAT(load(Trunk::kCaffeNet, "no/such.pth"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no/such.pth")));
}

TEST(SegNetConfigTest, BindsToYaml) {
  SegNetConfig config;
  EXPECT_OK(ParseConfig("trunk: caffenet\nweights: a.pth\nkernel: 5\n",
                        "a.yaml", {"grid=7"}, &config));
  EXPECT_EQ(config.trunk, Trunk::kCaffeNet);
  EXPECT_EQ(config.weights, "a.pth");
  EXPECT_EQ(config.kernel, 5);
  EXPECT_EQ(config.grid, 7);
  EXPECT_OK(CheckConfig(config));
  EXPECT_THAT(ParseConfig("trunk: vgg\n", "a.yaml", {}, &config),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("efficientnet_lite0")));
  config.kernel = 4;
  EXPECT_THAT(CheckConfig(config),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("kernel: expected an odd number, got 4")));
  EXPECT_TRUE(IsUsageError(CheckConfig(config)));
}

TEST(SegNetErrorTest, NameTheArgument) {
  SegNetConfig config = MakeConfig(Trunk::kTiny);
  SegNet net(config, 3);
  ExpectError(
      [&] {
        net(at::zeros({1, 1, 8, 8}));
      },
      "SegNet: images must be [N,3,H,W], got [1, 1, 8, 8]");
  ExpectError(
      [&] {
        net(at::zeros({1, 3, 8, 8}, at::kByte));
      },
      "images must be floating point (RGB in 0..255), got Byte");
  ExpectError(
      [&] {
        net(at::zeros({1, 3, 0, 8}));
      },
      "must not be empty in H or W");
  ExpectError(
      [&] {
        net->FromFeatures(at::zeros({1, 3, 8, 8}));
      },
      "map must be [N,48,h,w], got [1, 3, 8, 8]");
  config.kernel = 2;
  ExpectError([&] { SegNet bad(config, 3); }, "kernel must be odd, got 2");
  ExpectError([] { SegNet bad(SegNetConfig(), 0); },
              "classes must be >= 1, got 0");
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
