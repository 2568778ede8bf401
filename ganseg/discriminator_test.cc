#include "ganseg/discriminator.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <string>
#include <vector>

#include "common/testing/status_matchers.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace ganseg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

int64_t ParameterCount(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const at::Tensor& p : module.parameters()) count += p.numel();
  return count;
}

TEST(DiscriminatorTest, SizesOfThePaper) {
  const DiscriminatorOptions options;
  EXPECT_EQ(ParameterCount(*Discriminator(options)), 23726721);
  EXPECT_NEAR(static_cast<double>(MultiplyAdds(options)), 4.4e9, 0.05e9);
  EXPECT_EQ(MultiplyAdds(options), 4411097600);
  EXPECT_NEAR(static_cast<double>(MultiplyAdds(DiscriminatorOptions::Demo())),
              7.45e6, 0.01e6);
}

TEST(DiscriminatorTest, ShapesAndNames) {
  Discriminator net(DiscriminatorOptions::Demo());
  EXPECT_THAT(net->forward(at::zeros({5, 3, 32, 32})).sizes(), ElementsAre(5));
  EXPECT_THAT(net->forward(at::zeros({1, 3, 32, 32})).sizes(), ElementsAre(1));
  EXPECT_THAT(net->forward(at::zeros({0, 3, 32, 32})).sizes(), ElementsAre(0));
  Discriminator two(
      DiscriminatorOptions().channels({4, 5}).fc_width(6).image_size(8));
  std::vector<std::string> names;
  for (const auto& item : two->named_parameters()) {
    if (item.key().find("bias") == std::string::npos) {
      names.push_back(item.key());
    }
  }
  EXPECT_THAT(names, ElementsAre("block0.conv0.weight", "block0.conv1.weight",
                                 "block0.conv2.weight", "block0.side.weight",
                                 "block1.conv0.weight", "block1.conv1.weight",
                                 "block1.conv2.weight", "block1.side.weight",
                                 "fc0.weight", "fc1.weight"));
  EXPECT_THAT(two->named_parameters()["fc0.weight"].sizes(),
              ElementsAre(6, 5 * 2 * 2));
}

TEST(DiscriminatorTest, LayoutOfImagesChangesNothing) {
  Discriminator net(DiscriminatorOptions::Demo());
  const at::Tensor x = Random({2, 3, 32, 32}).to(at::kFloat);
  EXPECT_TRUE(at::equal(net->forward(x), net->forward(ChannelsLast(x))));
}

TEST(DiscriminatorTest, Errors) {
  EXPECT_THAT(CheckOptions(DiscriminatorOptions().channels({})),
              StatusIs(kInvalid, HasSubstr("1 to 16 blocks, got 0")));
  EXPECT_THAT(CheckOptions(DiscriminatorOptions().channels({3, 0})),
              StatusIs(kInvalid, HasSubstr("at least 1, got 0")));
  EXPECT_THAT(CheckOptions(DiscriminatorOptions().fc_width(0)),
              StatusIs(kInvalid, HasSubstr("fc_width")));
  EXPECT_THAT(
      CheckOptions(DiscriminatorOptions().image_size(96)),
      StatusIs(kInvalid, HasSubstr("multiple of 64 for 6 halvings, got 96")));
  ExpectError([] { Discriminator(DiscriminatorOptions().image_size(96)); },
              "Discriminator: image_size: must be a multiple of 64");
  Discriminator net(DiscriminatorOptions::Demo());
  ExpectError(
      [&] {
        net->forward(at::zeros({1, 3, 32, 16}));
      },
      "images must be [N,3,32,32], got [1, 3, 32, 16]");
  DownBlock block(3, 4);
  ExpectError(
      [&] {
        block->forward(at::zeros({1, 3, 5, 4}));
      },
      "even H and W, got [1, 3, 5, 4]");
}

// The block as the paper has it, with a strided 1x1 convolution, on planes,
// where that is safe.
at::Tensor ByHand(const DownBlock& block, const at::Tensor& x) {
  const auto parameters = block->named_parameters();
  const auto conv = [&](const std::string& name, const at::Tensor& v,
                        int64_t stride, int64_t padding) {
    return at::conv2d(v, parameters[name + ".weight"],
                      parameters[name + ".bias"], stride, padding);
  };
  const at::Tensor a = at::leaky_relu(conv("conv0", x, 1, 1), 0.2);
  const at::Tensor b = at::leaky_relu(conv("conv1", a, 1, 1), 0.2);
  return (conv("conv2", b, 2, 1) + conv("side", x, 2, 0)) / std::sqrt(2.0);
}

TEST(DownBlockTest, AgreesWithItsDefinition) {
  DownBlock block(3, 5);
  block->to(at::kDouble);
  const at::Tensor x = Random({2, 3, 8, 6}).set_requires_grad(true);
  const at::Tensor y = block->forward(x), expected = ByHand(block, x);
  EXPECT_LT((y - expected).abs().max().item<double>(), 1e-13);
  std::vector<at::Tensor> inputs = block->parameters();
  inputs.push_back(x);
  const at::Tensor cotangent = Random({2, 5, 4, 3}, 9);
  const auto ours = torch::autograd::grad({y}, inputs, {cotangent});
  const auto theirs = torch::autograd::grad({expected}, inputs, {cotangent});
  for (size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_LT((ours[i] - theirs[i]).abs().max().item<double>(), 1e-12) << i;
  }
}

// A strided 1x1 convolution here ended in a corrupted heap within a few
// backward passes (LibTorch 2.11, float, channels last, 3 or 4 channels), which
// glibc notices when it frees.
TEST(DownBlockTest, BackwardPassesLeaveTheHeapWhole) {
  for (const int64_t channels : {3, 4}) {
    DownBlock block(channels, 12);
    for (at::Tensor& p : block->parameters()) {
      if (p.dim() == 4) {
        p.set_data(p.detach().contiguous(at::MemoryFormat::ChannelsLast));
      }
    }
    const at::Tensor x = ChannelsLast(Random({16, channels, 32, 32}))
                             .to(at::kFloat)
                             .set_requires_grad(true);
    std::vector<at::Tensor> inputs = block->parameters();
    inputs.push_back(x);
    std::vector<at::Tensor> first;
    for (int i = 0; i < 10; ++i) {
      const auto g =
          torch::autograd::grad({block->forward(x).square().sum()}, inputs);
      if (first.empty()) first = g;
      for (size_t k = 0; k < g.size(); ++k) {
        EXPECT_TRUE(at::equal(g[k], first[k])) << i << " " << k;
      }
    }
  }
}

}  // namespace
}  // namespace ganseg
}  // namespace seg
