#include "common/backbones/resnet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "common/backbones/golden_inputs.h"
#include "common/backbones/imagenet.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using ::testing::ElementsAre;

int64_t NumParameters(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const at::Tensor& p : module.parameters()) count += p.numel();
  return count;
}

// Names and shapes are the file format: equal to torchvision's. A block that is
// built once and used twice would be missing here.
TEST(ResNetTest, NamesShapesAndCounts) {
  const ResNet small(ResNetOptions(18).num_classes(1000));
  EXPECT_EQ(NamesAndShapes(*small), ReadGoldenNames("resnet18_names.txt"));
  EXPECT_EQ(NumParameters(*small), 11689512);
  // The output stride changes no parameter.
  const ResNet large(ResNetOptions(50).output_stride(8).num_classes(1000));
  EXPECT_EQ(NamesAndShapes(*large), ReadGoldenNames("resnet50_names.txt"));
  EXPECT_EQ(NumParameters(*large), 25557032);
}

// Logits and a training step of ResNet-18 in double. Double on both sides
// leaves rounding only: 1e-9.
TEST(ResNetTest, OutputsAndGradientsEqualTheReference) {
  const TensorMap goldens = ReadGoldens("deeplab_v3_goldens.safetensors");
  ResNet net(ResNetOptions(18).num_classes(10));
  net->to(at::kDouble);
  GoldenFillParameters(*net);
  const at::Tensor y = net->Classify(NormalizeImageNet(GoldenImage(2, 45, 61)));
  constexpr double kTolerance = 1e-9;
  EXPECT_LT(RelativeError(GoldenSample(y), goldens.at("resnet18.output")),
            kTolerance);
  (y * GoldenFilled(y.sizes(), 1, 1000)).mean().backward();
  const auto parameters = net->named_parameters();
  for (const std::string name :
       {"conv1.weight", "layer2.0.downsample.0.weight", "layer3.1.conv2.weight",
        "layer4.1.bn2.weight", "fc.bias"}) {
    EXPECT_LT(RelativeError(GoldenSample(parameters[name].grad()),
                            goldens.at("resnet18.grad." + name)),
              kTolerance)
        << name;
  }
  const auto buffers = net->named_buffers();
  for (const std::string name :
       {"bn1.running_mean", "layer4.0.downsample.1.running_var"}) {
    EXPECT_LT(RelativeError(GoldenSample(buffers[name]),
                            goldens.at("resnet18." + name)),
              kTolerance)
        << name;
  }
}

TEST(ResNetTest, MapsHaveCeilOfTheSize) {
  const at::NoGradGuard no_grad;
  for (const auto& [depth, output_stride] :
       {std::pair<int64_t, int64_t>{18, 32}, {50, 8}}) {
    ResNet net(ResNetOptions(depth).output_stride(output_stride));
    net->eval();
    if (depth == 18) {
      EXPECT_THAT(net->channels(), ElementsAre(64, 128, 256, 512));
    } else {
      EXPECT_THAT(net->channels(), ElementsAre(256, 512, 1024, 2048));
    }
    for (const auto& [height, width] :
         {std::pair<int64_t, int64_t>{33, 47}, {1, 1}}) {
      const std::vector<at::Tensor> maps =
          net(at::zeros({2, 3, height, width}));
      ASSERT_EQ(maps.size(), 4u);
      for (int64_t i = 0; i < 4; ++i) {
        const int64_t stride = std::min<int64_t>(4 << i, output_stride);
        EXPECT_THAT(
            maps[i].sizes(),
            ElementsAre(2, net->channels()[i], (height + stride - 1) / stride,
                        (width + stride - 1) / stride));
      }
    }
    EXPECT_EQ(net(at::zeros({0, 3, 32, 32})).back().size(0), 0);
  }
}

// Dilation in place of strides: the map of the network with stride 32 is every
// second (16) or fourth (8) pixel of the dilated one, at the border too.
TEST(ResNetTest, DilatedMapsContainTheStridedOnes) {
  const at::NoGradGuard no_grad;
  ResNet strided{ResNetOptions(50)};
  strided->eval();
  const at::Tensor x = at::randn({1, 3, 77, 100});
  const std::vector<at::Tensor> expected = strided(x);
  for (const int64_t output_stride : {8, 16}) {
    ResNet dilated(ResNetOptions(50).output_stride(output_stride));
    dilated->eval();
    auto parameters = dilated->named_parameters();
    for (const auto& item : strided->named_parameters()) {
      parameters[item.key()].copy_(item.value());
    }
    const std::vector<at::Tensor> maps = dilated(x);
    for (size_t i = 0; i < 4; ++i) {
      const int64_t step =
          std::max<int64_t>((int64_t{4} << i) / output_stride, 1);
      const at::Tensor every = maps[i]
                                   .slice(2, 0, maps[i].size(2), step)
                                   .slice(3, 0, maps[i].size(3), step);
      // Float, other kernels for dilated convolutions, 50 layers.
      EXPECT_LT(RelativeError(every, expected[i]), 1e-4) << output_stride;
    }
  }
}

TEST(ResNetTest, LayoutOfTheInputDoesNotMatter) {
  const at::NoGradGuard no_grad;
  ResNet net{ResNetOptions(18)};
  net->eval();
  const at::Tensor x = at::rand({2, 3, 40, 56});
  const at::Tensor y = net(x).back();
  EXPECT_TRUE(
      at::equal(y, net(x.contiguous(at::MemoryFormat::ChannelsLast)).back()));
  EXPECT_TRUE(
      at::equal(y, net(x.transpose(2, 3).contiguous().transpose(2, 3)).back()));
  // Float, another blocking of the batch: 1e-5 of the largest value.
  EXPECT_LT(RelativeError(net(x.narrow(0, 1, 1)).back(), y.narrow(0, 1, 1)),
            1e-5);
}

TEST(ResNetTest, GradientReachesEverythingAndTheImage) {
  ResNet net(ResNetOptions(18).num_classes(3));
  const at::Tensor x = at::randn({2, 3, 64, 64}).set_requires_grad(true);
  net->Classify(x).square().sum().backward();
  EXPECT_GT(x.grad().abs().max().item<float>(), 0);
  for (const auto& item : net->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>())
        << item.key();
    EXPECT_GT(item.value().grad().abs().max().item<float>(), 0) << item.key();
  }
}

TEST(ResNetTest, DoubleAgreesWithFloat) {
  const at::NoGradGuard no_grad;
  ResNet net(ResNetOptions(18).num_classes(7));
  net->eval();
  const at::Tensor x = NormalizeImageNet(GoldenImage(1, 40, 40));
  const at::Tensor single = net->Classify(x.to(at::kFloat));
  net->to(at::kDouble);
  // 18 layers of float rounding: 1e-5 of the largest logit.
  EXPECT_LT(RelativeError(single.to(at::kDouble), net->Classify(x)), 1e-5);
}

TEST(ResNetTest, Errors) {
  ExpectError([] { ResNet net(ResNetOptions(34)); },
              "depth must be 18 or 50, got 34");
  ExpectError([] { ResNet net(ResNetOptions(50).output_stride(4)); },
              "output_stride must be 8, 16 or 32, got 4");
  ExpectError([] { ResNet net(ResNetOptions(18).output_stride(8)); },
              "output_stride must be 32 for depth 18, got 8");
  ExpectError([] { ResNet net(ResNetOptions(18).num_classes(-1)); },
              "num_classes must be >= 0, got -1");
  ResNet net{ResNetOptions(18)};
  ExpectError(
      [&] {
        net(at::zeros({1, 4, 32, 32}));
      },
      "x must be [N,3,H,W], got [1, 4, 32, 32]");
  ExpectError(
      [&] {
        net(at::zeros({1, 3, 0, 32}));
      },
      "x must not be empty in H or W, got [1, 3, 0, 32]");
  ExpectError(
      [&] {
        net->Classify(at::zeros({1, 3, 32, 32}));
      },
      "Classify needs num_classes > 0");
}

}  // namespace
}  // namespace seg
