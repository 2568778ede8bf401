#include "common/backbones/image_features.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

at::Tensor Images(int64_t count) { return at::rand({count, 3, 20, 30}) * 255; }

TEST(ImageFeatures, AVectorAnImage) {
  ASSERT_OK_AND_ASSIGN(const ImageFeatures features,
                       ImageFeatures::EfficientNetLite0(c10::kCPU));
  EXPECT_EQ(features.distance_name(), "frechet_efficientnet_lite0");
  const at::Tensor images = Images(3);
  const at::Tensor found = features(images);
  EXPECT_EQ(found.sizes(), at::IntArrayRef({3, 320}));
  // Each of its own image alone, whatever stands beside it.
  EXPECT_TRUE(at::allclose(features(images.narrow(0, 1, 1)),
                           found.narrow(0, 1, 1), 1e-4, 1e-5));
  EXPECT_FALSE(at::allclose(found[0], found[1], 1e-2, 1e-3));
  // As it would be from a file.
  EXPECT_TRUE(at::equal(features(images.round()), found));
}

TEST(ImageFeatures, ATorchScriptFile) {
  torch::jit::Module module("means");
  module.define(R"(
    def forward(self, x, return_features: bool = False):
        assert return_features
        return x.float().mean(dim=[2, 3])
  )");
  const std::string path = testing::TempDir() + "/means.pt";
  module.save(path);
  ASSERT_OK_AND_ASSIGN(const ImageFeatures features,
                       ImageFeatures::Inception(path, c10::kCPU));
  EXPECT_EQ(features.distance_name(), "fid");
  const at::Tensor images = Images(2).round();
  EXPECT_TRUE(
      at::allclose(features(images), images.mean(at::IntArrayRef({2, 3}))));
}

TEST(ImageFeatures, ErrorsNameTheFile) {
  const auto features =
      ImageFeatures::Inception("nowhere/inception.pt", c10::kCPU);
  EXPECT_THAT(features.status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("nowhere/inception.pt: is no TorchScript")));
}

}  // namespace
}  // namespace seg
