#include "common/backbones/vgg16_fcn8s.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "ATen/ATen.h"
#include "common/backbones/golden_inputs.h"
#include "common/backbones/state_dict.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The golden's weights: see VggGoldens in testdata/make_goldens.py.
Vgg16Fcn8s GoldenNet() {
  Vgg16Fcn8s net(Vgg16Fcn8sOptions(3).fc_channels(16));
  int64_t seed = -1;
  for (const auto& [name, tensor] : StateDict(*net)) {
    ++seed;
    if (name.rfind("upscore", 0) == 0) continue;
    if (tensor.dim() == 1) {
      GoldenFill(tensor, 0.1, seed);
      continue;
    }
    double scale = std::sqrt(6.0 / static_cast<double>(tensor[0].numel()));
    if (name == "score_pool4.weight") scale *= 1e2;
    if (name == "score_pool3.weight") scale *= 1e4;
    GoldenFill(tensor, scale, seed);
  }
  return net;
}

// Names and shapes of the full network are the file format. 0.5 GB, once.
TEST(Vgg16Fcn8sTest, NamesAndShapesEqualTheReference) {
  const Vgg16Fcn8s net(Vgg16Fcn8sOptions(21));
  EXPECT_EQ(NamesAndShapes(*net), ReadGoldenNames("vgg16_fcn8s_names.txt"));
  int64_t count = 0;
  for (const at::Tensor& p : net->parameters()) count += p.numel();
  EXPECT_EQ(count, 134489759);
}

// Float on both sides, sums of up to 25088 terms: 1e-4 of the largest score.
TEST(Vgg16Fcn8sTest, ScoresEqualTheReference) {
  const at::NoGradGuard no_grad;
  Vgg16Fcn8s net = GoldenNet();
  net->eval();
  const at::Tensor mean =
      at::tensor({0.485, 0.456, 0.406}, at::kDouble).view({1, 3, 1, 1});
  const at::Tensor deviation =
      at::tensor({0.229, 0.224, 0.225}, at::kDouble).view({1, 3, 1, 1});
  const at::Tensor x =
      ((GoldenImage(1, 37, 50) / 255 - mean) / deviation).to(at::kFloat);
  const at::Tensor scores = net(x);
  EXPECT_THAT(scores.sizes(), ElementsAre(1, 3, 37, 50));
  EXPECT_LT(RelativeError(GoldenSample(scores),
                          ReadGoldens().at("vgg16_fcn8s.scores")),
            1e-4);
}

TEST(Vgg16Fcn8sTest, FreshNetworkScoresZeroAndUpsamplesBilinearly) {
  const at::NoGradGuard no_grad;
  Vgg16Fcn8s net(Vgg16Fcn8sOptions(2).fc_channels(4));
  net->eval();
  EXPECT_EQ(net(at::rand({1, 3, 1, 1})).abs().max().item<float>(), 0);
  // A constant score stays that constant under the three upsamplings, away
  // from the border: the released network fades to zero over the first 25
  // pixels, where no score cell lies outside. The skips are zero.
  StateDict(*net).at("score_fr.bias").copy_(at::tensor({2.0, -3.0}));
  const at::Tensor scores =
      net(at::rand({1, 3, 96, 96})).narrow(2, 25, 71).narrow(3, 25, 71);
  EXPECT_NEAR(scores.select(1, 0).min().item<float>(), 2, 1e-5);
  EXPECT_NEAR(scores.select(1, 1).max().item<float>(), -3, 1e-5);
  for (const auto& item : net->named_parameters()) {
    EXPECT_EQ(item.value().requires_grad(), item.key().rfind("upscore", 0) != 0)
        << item.key();
  }
}

TEST(Vgg16Fcn8sTest, DropoutOnlyInTraining) {
  const at::NoGradGuard no_grad;
  Vgg16Fcn8s net = GoldenNet();
  const at::Tensor x = at::rand({1, 3, 8, 8});
  const at::Tensor first = net(x);
  EXPECT_FALSE(at::equal(first, net(x)));
  net->eval();
  const at::Tensor fixed = net(x);
  EXPECT_TRUE(at::equal(fixed, net(x)));
}

TEST(Vgg16Fcn8sTest, GroupsPartitionTheParameters) {
  const Vgg16Fcn8s net(Vgg16Fcn8sOptions(2).fc_channels(4));
  EXPECT_EQ(net->backbone_parameters().size(), 30u);
  EXPECT_EQ(net->head_parameters().size(), 9u);
  EXPECT_EQ(net->parameters().size(), 39u);
}

TEST(Vgg16BackboneTensorsTest, RenamesAndReshapesTorchvision) {
  TensorMap map;
  map["features.0.weight"] = at::zeros({64, 3, 3, 3});
  map["features.28.bias"] = at::zeros({512});
  map["classifier.0.weight"] = at::arange(2 * 512 * 49).view({2, 512 * 49});
  map["classifier.3.weight"] = at::zeros({2, 2});
  map["classifier.3.bias"] = at::zeros({2});
  map["classifier.6.weight"] = at::zeros({1000, 2});
  ASSERT_OK_AND_ASSIGN(const TensorMap out, Vgg16BackboneTensors(map));
  EXPECT_EQ(out.size(), 5u);
  EXPECT_EQ(out.count("conv1_1.weight"), 1u);
  EXPECT_EQ(out.count("conv5_3.bias"), 1u);
  EXPECT_EQ(out.count("fc7.bias"), 1u);
  EXPECT_THAT(out.at("fc7.weight").sizes(), ElementsAre(2, 2, 1, 1));
  // torchvision flattens [512,7,7] in this order.
  ASSERT_THAT(out.at("fc6.weight").sizes(), ElementsAre(2, 512, 7, 7));
  EXPECT_EQ(out.at("fc6.weight")[1][3][2][5].item<int64_t>(),
            512 * 49 + 3 * 49 + 2 * 7 + 5);
}

TEST(Vgg16BackboneTensorsTest, RefusesAClassifierOfAnotherShape) {
  EXPECT_THAT(
      Vgg16BackboneTensors({{"classifier.0.weight", at::zeros({2, 50})}}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("classifier.0.weight: expected [4096,25088], got "
                         "[2,50]")));
}

}  // namespace
}  // namespace seg
