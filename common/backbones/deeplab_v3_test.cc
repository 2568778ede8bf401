#include "common/backbones/deeplab_v3.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "ATen/ATen.h"
#include "common/backbones/golden_inputs.h"
#include "common/backbones/state_dict.h"
#include "common/io/safetensors.h"
#include "common/losses/cross_entropy.h"
#include "common/losses/dice.h"
#include "common/testing/status_matchers.h"
#include "common/testing/torch_errors.h"
#include "torch/optim/adam.h"

namespace seg {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string TempPath(const std::string& name) {
  return ::testing::TempDir() + "/" + name;
}

int64_t NumParameters(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const at::Tensor& p : module.parameters()) count += p.numel();
  return count;
}

// Small heads: the tests are about structure.
DeepLabV3Options Small(const std::string& backbone, int64_t classes) {
  return DeepLabV3Options(backbone, classes).channels(16).rates({1, 2});
}

at::Tensor RandomImages(int64_t n, int64_t height, int64_t width) {
  at::manual_seed(7);
  return at::rand({n, 3, height, width}) * 255;
}

// Names and shapes are the file format: equal to torchvision's
// deeplabv3_resnet50 without its auxiliary head.
TEST(DeepLabV3Test, NamesShapesAndCounts) {
  const DeepLabV3 net(DeepLabV3Options("resnet50", 21));
  EXPECT_EQ(NamesAndShapes(*net),
            ReadGoldenNames("deeplab_v3_resnet50_names.txt"));
  EXPECT_EQ(NumParameters(*net), 39638869);
  EXPECT_EQ(
      NumParameters(*DeepLabV3(DeepLabV3Options("efficientnet_lite0", 2))),
      6256130);
  EXPECT_EQ(NumParameters(*DeepLabV3(DeepLabV3Options("tiny", 2))), 1327122);
  EXPECT_EQ(NumParameters(*DeepLabV3(
                DeepLabV3Options("tiny", 2).channels(32).rates({1, 2}))),
            93650);
}

struct GoldenCase {
  std::string name;
  DeepLabV3Options options;
  std::vector<std::string> gradients, buffers;
};

// A training step in double: scores, gradients, running statistics. Double on
// both sides leaves rounding only, through 50 layers of batch statistics over
// 24 values a channel: 1e-8.
TEST(DeepLabV3Test, ScoresAndGradientsEqualTheReference) {
  const TensorMap goldens = ReadGoldens("deeplab_v3_goldens.safetensors");
  constexpr double kTolerance = 1e-8;
  for (const GoldenCase& c :
       {GoldenCase{
            "resnet50",
            DeepLabV3Options("resnet50", 3)
                .channels(16)
                .rates({2, 3})
                .dropout(0),
            {"backbone.conv1.weight", "backbone.layer3.0.conv2.weight",
             "backbone.layer4.2.conv2.weight", "classifier.0.convs.2.0.weight",
             "classifier.0.convs.3.1.weight", "classifier.4.bias"},
            {"backbone.layer4.0.downsample.1.running_var",
             "classifier.0.project.1.running_mean"}},
        GoldenCase{
            "tiny",
            DeepLabV3Options("tiny", 5)
                .output_stride(4)
                .channels(24)
                .rates({1, 2, 4})
                .dropout(0),
            {"backbone.conv0.weight", "backbone.conv4.weight",
             "classifier.0.convs.0.0.weight", "classifier.1.weight",
             "classifier.4.weight"},
            {"backbone.bn3.running_var", "classifier.2.running_mean"}}}) {
    DeepLabV3 net(c.options);
    net->to(at::kDouble);
    GoldenFillParameters(*net);
    const at::Tensor y = net(GoldenImage(2, 45, 61));
    EXPECT_LT(RelativeError(GoldenSample(y), goldens.at(c.name + ".output")),
              kTolerance)
        << c.name;
    (y * GoldenFilled(y.sizes(), 1, 1000)).mean().backward();
    const auto parameters = net->named_parameters();
    for (const std::string& name : c.gradients) {
      EXPECT_LT(RelativeError(GoldenSample(parameters[name].grad()),
                              goldens.at(c.name + ".grad." + name)),
                kTolerance)
          << c.name << " " << name;
    }
    const auto buffers = net->named_buffers();
    for (const std::string& name : c.buffers) {
      EXPECT_LT(RelativeError(GoldenSample(buffers[name]),
                              goldens.at(c.name + "." + name)),
                kTolerance)
          << c.name << " " << name;
    }
  }
}

// By hand, one channel: the 3x3 branch of rate 3 has all taps 1 and the
// projection takes that branch alone. A single 1 in the map then comes back at
// nine places, 3 apart; what the map does not hold is lost.
TEST(AsppTest, TapsLieARateApart) {
  const at::NoGradGuard no_grad;
  Aspp aspp(1, 1, std::vector<int64_t>{2, 3}, 0.5);
  aspp->eval();
  for (const auto& [name, value] : StateDict(*aspp)) {
    if (name == "convs.2.0.weight") {
      value.fill_(1);
    } else if (name == "project.0.weight") {
      value.copy_(at::tensor({0.0f, 0.0f, 1.0f, 0.0f}).view({1, 4, 1, 1}));
    }
  }
  at::Tensor x = at::zeros({1, 1, 8, 9});
  x[0][0][4][5] = 1;
  at::Tensor expected = at::zeros({8, 9});
  for (const int64_t row : {1, 4, 7}) {
    for (const int64_t column : {2, 5, 8}) expected[row][column] = 1;
  }
  // Two batch norms divide by sqrt(1 + 1e-5).
  EXPECT_TRUE(at::allclose(aspp(x)[0][0], expected, 0, 2e-5));
  // A rate that is not below the size of the map leaves the middle tap.
  EXPECT_TRUE(at::allclose(aspp(x.narrow(2, 3, 3).narrow(3, 4, 3))[0][0],
                           x[0][0].narrow(0, 3, 3).narrow(1, 4, 3), 0, 2e-5));
}

TEST(AsppTest, PoolingSeesTheWholeMap) {
  const at::NoGradGuard no_grad;
  Aspp aspp(1, 1, std::vector<int64_t>{2}, 0.0);
  aspp->eval();
  for (const auto& [name, value] : StateDict(*aspp)) {
    if (name == "convs.2.1.weight") {  // index 0 is the pooling
      value.fill_(2);
    } else if (name == "project.0.weight") {
      value.copy_(at::tensor({0.0f, 0.0f, 1.0f}).view({1, 3, 1, 1}));
    }
  }
  at::Tensor x = at::zeros({1, 1, 4, 5});
  x[0][0][3][4] = 10;
  EXPECT_TRUE(at::allclose(aspp(x), at::ones_like(x), 0, 2e-5));
}

TEST(AsppTest, DropoutFollowsModeAndGenerator) {
  const at::NoGradGuard no_grad;
  Aspp aspp(3, 4, std::vector<int64_t>{1}, 0.5);
  const at::Tensor x = at::rand({2, 3, 8, 8});
  at::manual_seed(3);
  const at::Tensor first = aspp(x);
  EXPECT_FALSE(at::equal(first, aspp(x)));
  at::manual_seed(3);
  EXPECT_TRUE(at::equal(first, aspp(x)));
  aspp->eval();
  EXPECT_TRUE(at::equal(aspp(x), aspp(x)));
}

class DeepLabV3BackboneTest : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Backbones, DeepLabV3BackboneTest,
                         ::testing::Values("resnet50", "efficientnet_lite0",
                                           "tiny"));

TEST_P(DeepLabV3BackboneTest, ScoresHaveTheSizeOfTheImages) {
  const at::NoGradGuard no_grad;
  for (const int64_t stride : {8, GetParam() == "tiny" ? 2 : 16}) {
    DeepLabV3 net(Small(GetParam(), 5).output_stride(stride));
    net->eval();
    for (const auto& [n, height, width] :
         {std::tuple<int64_t, int64_t, int64_t>{2, 32, 32},
          {1, 45, 61},
          {1, 1, 3},
          {0, 40, 40}}) {
      const at::Tensor scores = net(RandomImages(n, height, width));
      EXPECT_THAT(scores.sizes(), ElementsAre(n, 5, height, width));
      EXPECT_TRUE(scores.is_contiguous());
      EXPECT_TRUE(scores.isfinite().all().item<bool>());
    }
  }
}

TEST_P(DeepLabV3BackboneTest, TrainsAndReachesEveryParameter) {
  // A block that drop-connect leaves out has no gradient.
  DeepLabV3 net(Small(GetParam(), 3).dropout(0).drop_connect_rate(0));
  at::Tensor images = RandomImages(2, 48, 40).set_requires_grad(true);
  net(images).square().mean().backward();
  // Each pixel takes part, but for those that max pooling passes over.
  EXPECT_GT(images.grad().ne(0).to(at::kFloat).mean().item<float>(), 0.9);
  for (const auto& item : net->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>())
        << item.key();
    EXPECT_GT(item.value().grad().abs().max().item<float>(), 0) << item.key();
  }
}

TEST_P(DeepLabV3BackboneTest, GroupsPartitionTheParameters) {
  const DeepLabV3 net(Small(GetParam(), 3));
  std::set<const void*> all, groups;
  for (const at::Tensor& p : net->parameters()) all.insert(p.data_ptr());
  for (const at::Tensor& p : net->backbone_parameters()) {
    EXPECT_TRUE(groups.insert(p.data_ptr()).second);
  }
  for (const at::Tensor& p : net->head_parameters()) {
    EXPECT_TRUE(groups.insert(p.data_ptr()).second);
  }
  EXPECT_EQ(all, groups);
}

TEST_P(DeepLabV3BackboneTest, ABatchOfOneIsForEvaluationOnly) {
  const at::NoGradGuard no_grad;
  DeepLabV3 net(Small(GetParam(), 2));
  ExpectError([&] { net(RandomImages(1, 32, 32)); },
              "training needs a batch of 2 images or more (batch norm of the "
              "pooled image), got 1");
  net->eval();
  const at::Tensor images = RandomImages(2, 32, 32);
  // Float, another blocking of the batch: 1e-4 of the largest score.
  EXPECT_LT(
      RelativeError(net(images.narrow(0, 1, 1)), net(images).narrow(0, 1, 1)),
      1e-4);
}

TEST_P(DeepLabV3BackboneTest, ImagesMayHaveAnyStrides) {
  const at::NoGradGuard no_grad;
  DeepLabV3 net(Small(GetParam(), 2));
  net->eval();
  const at::Tensor images = RandomImages(2, 40, 48);
  const at::Tensor scores = net(images);
  EXPECT_TRUE(at::equal(
      scores, net(images.contiguous(at::MemoryFormat::ChannelsLast))));
  EXPECT_TRUE(at::equal(
      scores, net(images.transpose(2, 3).contiguous().transpose(2, 3))));
}

TEST_P(DeepLabV3BackboneTest, DoubleAgreesWithFloat) {
  const at::NoGradGuard no_grad;
  DeepLabV3 net(Small(GetParam(), 3));
  net->eval();
  const at::Tensor images = GoldenImage(1, 40, 40);
  const at::Tensor single = net(images.to(at::kFloat));
  net->to(at::kDouble);
  // Up to 60 layers of float rounding: 1e-4 of the largest score.
  EXPECT_LT(RelativeError(single.to(at::kDouble), net(images)), 1e-4);
}

// Dilation in place of strides: the last map of the strided network is every
// second or fourth pixel of the dilated one, at the border too, where the maps
// that lose a stride have odd sizes (with an even size TensorFlow's padding
// takes the other pixel of each pair).
TEST(DilatedBackboneTest, EfficientNetLiteContainsTheStridedMap) {
  const at::NoGradGuard no_grad;
  EfficientNetLite strided{EfficientNetLiteOptions(0)};
  strided->eval();
  const at::Tensor x = at::randn({1, 3, 72, 104});  // 9 x 13 at stride 8
  const std::vector<at::Tensor> expected = strided(x);
  for (const int64_t output_stride : {8, 16}) {
    EfficientNetLite dilated(
        EfficientNetLiteOptions(0).output_stride(output_stride));
    ASSERT_OK(LoadStateDict(*dilated, StateDict(*strided)));
    dilated->eval();
    const std::vector<at::Tensor> maps = dilated(x);
    ASSERT_EQ(maps.size(), output_stride == 8 ? 3u : 4u);
    EXPECT_EQ(dilated->channels().back(), 320);
    const int64_t step = 32 / output_stride;
    const at::Tensor every = maps.back()
                                 .slice(2, 0, maps.back().size(2), step)
                                 .slice(3, 0, maps.back().size(3), step);
    // Float, other kernels for dilated convolutions.
    EXPECT_LT(RelativeError(every, expected.back()), 1e-4) << output_stride;
    EXPECT_TRUE(at::equal(maps[1], expected[1]));
  }
}

TEST(DilatedBackboneTest, TinyContainsTheStridedMap) {
  const at::NoGradGuard no_grad;
  TinyBackbone strided;
  strided->eval();
  const at::Tensor x = at::randn({2, 3, 37, 50});
  const at::Tensor expected = strided(x).back();
  for (const int64_t output_stride : {2, 4}) {
    TinyBackbone dilated(output_stride);
    ASSERT_OK(LoadStateDict(*dilated, StateDict(*strided)));
    dilated->eval();
    EXPECT_EQ(dilated->channels().size(), output_stride == 2 ? 1u : 2u);
    EXPECT_EQ(dilated->channels().back(), 48);
    const at::Tensor map = dilated(x).back();
    const int64_t step = 8 / output_stride;
    const at::Tensor every =
        map.slice(2, 0, map.size(2), step).slice(3, 0, map.size(3), step);
    EXPECT_LT(RelativeError(every, expected), 1e-5) << output_stride;
  }
}

TEST(DeepLabV3Test, CheckpointRoundTripIsExact) {
  const at::NoGradGuard no_grad;
  DeepLabV3 a(Small("tiny", 2)), b(Small("tiny", 2));
  const std::string path = TempPath("round_trip");
  ASSERT_OK(WriteSafetensors(path, StateDict(*a)));
  ASSERT_OK_AND_ASSIGN(const TensorMap tensors, ReadSafetensors(path));
  ASSERT_OK(LoadStateDict(*b, tensors));
  a->eval();
  b->eval();
  const at::Tensor images = RandomImages(1, 40, 40);
  EXPECT_TRUE(at::equal(a(images), b(images)));
}

// The loss of GANSeg's segmenter on four images: a square of another colour.
TEST(DeepLabV3Test, OverfitsFourImages) {
  at::manual_seed(1);
  at::Tensor images = at::rand({4, 3, 32, 32}) * 60;
  at::Tensor labels = at::zeros({4, 32, 32}, at::kLong);
  for (int64_t n = 0; n < 4; ++n) {
    const auto square = [&](const at::Tensor& t) {
      return t.narrow(-2, 3 + 4 * n, 12).narrow(-1, 16 - 4 * n, 14);
    };
    square(images[n][n % 3]).add_(150);
    square(labels[n]).fill_(1);
  }
  DeepLabV3 net(Small("tiny", 2).output_stride(4).dropout(0));
  torch::optim::Adam optimizer(net->parameters(),
                               torch::optim::AdamOptions(1e-2));
  for (int64_t step = 0; step < 60; ++step) {
    optimizer.zero_grad();
    const at::Tensor scores = net(images);
    const at::Tensor loss =
        0.5 * CrossEntropy(scores, labels) + 0.5 * DiceLoss(scores, labels);
    loss.backward();
    optimizer.step();
  }
  const at::NoGradGuard no_grad;
  const at::Tensor predicted = net(images).argmax(1) == 1;
  const at::Tensor truth = labels == 1;
  const double iou = (predicted & truth).sum().item<double>() /
                     (predicted | truth).sum().item<double>();
  EXPECT_GT(iou, 0.9);
}

TEST(DeepLabV3ErrorTest, NamesArgumentAndValue) {
  ExpectError([] { DeepLabV3 net(DeepLabV3Options("vgg16", 2)); },
              "backbone must be one of resnet50, efficientnet_lite0, tiny, got "
              "\"vgg16\"");
  ExpectError([] { DeepLabV3 net(DeepLabV3Options("tiny", 0)); },
              "num_classes must be >= 1, got 0");
  ExpectError([] { DeepLabV3 net(Small("tiny", 2).rates({})); },
              "rates must name at least one dilation");
  ExpectError(
      [] {
        DeepLabV3 net(Small("tiny", 2).rates({1, 0}));
      },
      "rates must be >= 1, got 1, 0");
  ExpectError([] { DeepLabV3 net(Small("tiny", 2).channels(0)); },
              "channels must be >= 1, got 0");
  ExpectError([] { DeepLabV3 net(Small("tiny", 2).dropout(1)); },
              "dropout must be in [0,1), got 1");
  ExpectError([] { DeepLabV3 net(Small("tiny", 2).output_stride(16)); },
              "TinyBackbone: output_stride must be 2, 4 or 8, got 16");
  ExpectError(
      [] { DeepLabV3 net(Small("efficientnet_lite0", 2).output_stride(4)); },
      "EfficientNetLite: output_stride must be 8, 16 or 32, got 4");
  DeepLabV3 net(Small("tiny", 2));
  ExpectError(
      [&] {
        net(at::zeros({2, 1, 16, 16}));
      },
      "images must be [N,3,H,W], got [2, 1, 16, 16]");
  ExpectError(
      [&] {
        net(at::zeros({2, 3, 16, 16}, at::kByte));
      },
      "images must be floating point");
  ExpectError(
      [&] {
        net(at::zeros({2, 3, 0, 16}));
      },
      "images must not be empty in H or W, got [2, 3, 0, 16]");
}

TEST(DeepLabV3WeightsTest, LoadsTorchvisionsResNet50AndKeepsTheHead) {
  TensorMap file;
  {
    const ResNet source(ResNetOptions(50).num_classes(4));
    for (const auto& [name, value] : StateDict(*source)) {
      file[name] = value.is_floating_point() ? value.to(at::kHalf) : value;
    }
  }
  const std::string path = TempPath("resnet50.safetensors");
  ASSERT_OK(WriteSafetensors(path, file));
  DeepLabV3 net(Small("resnet50", 2));
  const TensorMap before = StateDict(*net, /*copy=*/true);
  ASSERT_OK(LoadBackboneWeights(net, path));
  for (const auto& [name, value] : StateDict(*net)) {
    if (name.rfind("classifier.", 0) == 0) {
      EXPECT_TRUE(at::equal(value, before.at(name))) << name;
    } else {
      EXPECT_TRUE(at::equal(value, file.at(name.substr(9)).to(value))) << name;
    }
  }
}

TEST(DeepLabV3WeightsTest, LoadsImageNetWeights) {
  DeepLabV3 net(Small("efficientnet_lite0", 2).output_stride(16));
  const TensorMap before = StateDict(*net, /*copy=*/true);
  ASSERT_OK(LoadBackboneWeights(net, LiteWeightsPath(0)));
  const TensorMap state = StateDict(*net);
  EXPECT_FALSE(at::equal(state.at("backbone._conv_stem.weight"),
                         before.at("backbone._conv_stem.weight")));
  EXPECT_TRUE(at::equal(state.at("classifier.4.weight"),
                        before.at("classifier.4.weight")));
}

TEST(DeepLabV3WeightsTest, RefusesAnotherNetworkAndChangesNothing) {
  DeepLabV3 net(Small("tiny", 2));
  const TensorMap before = StateDict(*net, /*copy=*/true);
  EXPECT_THAT(LoadBackboneWeights(net, LiteWeightsPath(0)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(LiteWeightsPath(0)),
                             HasSubstr("weights do not fit the model"))));
  for (const auto& [name, value] : StateDict(*net)) {
    EXPECT_TRUE(at::equal(value, before.at(name))) << name;
  }
  EXPECT_THAT(
      LoadBackboneWeights(net, TempPath("no_such_file.pth")),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("no_such_file.pth")));
}

}  // namespace
}  // namespace seg
