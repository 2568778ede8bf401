#include "spn/feature_guidance.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace seg {
namespace spn {
namespace {

int64_t Count(const std::vector<at::Tensor>& parameters) {
  int64_t count = 0;
  for (const at::Tensor& p : parameters) count += p.numel();
  return count;
}

// The released model for PASCAL VOC: 1x1 to 512, three 3x3 to 512, 512 and 256,
// 3x3 to 384; with biases.
TEST(FeatureGuidanceTest, Vgg16HasTheReleasedLayers) {
  const FeatureGuidance net("vgg16", 384, /*output_norm=*/false, 1.0);
  EXPECT_EQ(Count(net->decoder_parameters()),
            (512 * 512 + 512) + 2 * (512 * 512 * 9 + 512) +
                (512 * 256 * 9 + 256) + (256 * 384 * 9 + 384));
  EXPECT_EQ(Count(net->backbone_parameters()), 14714688);  // of VGG-16's convs
  EXPECT_EQ(Count(net->parameters()), Count(net->decoder_parameters()) +
                                          Count(net->backbone_parameters()));
}

TEST(FeatureGuidanceTest, HalfOfAnySize) {
  const at::NoGradGuard no_grad;
  FeatureGuidance net("efficientnet_lite0", 12, true, 1.0);
  net->eval();
  for (const auto& [height, width] :
       {std::pair<int64_t, int64_t>{64, 96}, {33, 50}, {1, 2}}) {
    EXPECT_EQ(net->forward(at::rand({2, 3, height, width}) * 255).sizes(),
              at::IntArrayRef({2, 12, (height + 1) / 2, (width + 1) / 2}));
  }
}

TEST(FeatureGuidanceTest, GateScaleScalesTheStart) {
  const at::NoGradGuard no_grad;
  for (const bool norm : {false, true}) {
    at::manual_seed(1);
    FeatureGuidance whole("efficientnet_lite0", 4, norm, 1.0);
    at::manual_seed(1);
    FeatureGuidance tenth("efficientnet_lite0", 4, norm, 0.1);
    whole->eval();
    tenth->eval();
    const at::Tensor images = at::rand({1, 3, 64, 64}) * 255;
    const at::Tensor expected = whole->forward(images) * 0.1;
    EXPECT_GT(expected.abs().max().item<double>(), 1e-3);
    EXPECT_TRUE(at::allclose(tenth->forward(images), expected, 1e-4, 1e-6));
  }
}

TEST(FeatureGuidanceTest, EveryParameterLearns) {
  at::manual_seed(2);
  FeatureGuidance net("efficientnet_lite0", 4, true, 1.0);
  const at::Tensor gates = net->forward(at::rand({2, 3, 64, 64}) * 255);
  (gates * at::randn_like(gates)).sum().backward();
  for (const auto& [name, parameter] : net->named_parameters().pairs()) {
    ASSERT_TRUE(parameter.grad().defined()) << name;
    EXPECT_GT(parameter.grad().abs().max().item<double>(), 0) << name;
  }
}

}  // namespace
}  // namespace spn
}  // namespace seg
