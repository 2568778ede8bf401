#include "common/backbones/feature_pyramid.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/backbones/imagenet.h"
#include "common/backbones/pretrained.h"
#include "common/backbones/state_dict.h"
#include "common/io/safetensors.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

class FeaturePyramidTest : public ::testing::TestWithParam<std::string> {};

TEST_P(FeaturePyramidTest, MapsHaveTheirStridesAndChannels) {
  const at::NoGradGuard no_grad;
  FeaturePyramid pyramid(GetParam());
  pyramid->eval();
  const at::Tensor images = at::rand({2, 3, 37, 50}) * 255;
  const auto maps = pyramid(images);
  ASSERT_EQ(maps.size(), 5u);
  for (int64_t i = 0; i < 5; ++i) {
    const int64_t stride = int64_t{2} << i;
    EXPECT_EQ(maps[i].sizes(), at::IntArrayRef({2, pyramid->channels()[i],
                                                (37 + stride - 1) / stride,
                                                (50 + stride - 1) / stride}));
  }
  // Of a batch, any strides, one pixel.
  const auto alone = pyramid(images.narrow(0, 1, 1)
                                 .permute({0, 1, 3, 2})
                                 .contiguous()
                                 .permute({0, 1, 3, 2}));
  EXPECT_TRUE(at::allclose(alone[4], maps[4].narrow(0, 1, 1), 1e-4, 1e-5));
  EXPECT_EQ(pyramid(images.narrow(2, 0, 1).narrow(3, 0, 1))[4].size(3), 1);
}

INSTANTIATE_TEST_SUITE_P(Backbones, FeaturePyramidTest,
                         ::testing::Values("efficientnet_lite0", "vgg16"));

TEST(FeaturePyramidTest, UnknownNamesAreRefused) {
  try {
    FeaturePyramid("resnet18");
    FAIL();
  } catch (const c10::Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("must be one of efficientnet_lite0"));
  }
}

// The published weights are those that Fcn loads too.
TEST(FeaturePyramidTest, LoadsThePublishedWeights) {
  const at::NoGradGuard no_grad;
  FeaturePyramid pyramid("efficientnet_lite0");
  ASSERT_OK(LoadPretrained("imagenet", &pyramid));
  Fcn fcn(FcnOptions("efficientnet_lite0", 2));
  ASSERT_OK(LoadPretrained("imagenet", &fcn));
  const TensorMap ours = StateDict(*pyramid), theirs = StateDict(*fcn);
  int64_t compared = 0;
  for (const auto& [name, tensor] : ours) {
    const auto it = theirs.find("backbone" + name.substr(sizeof("lite") - 1));
    ASSERT_NE(it, theirs.end()) << name;
    EXPECT_TRUE(at::equal(tensor, it->second)) << name;
    ++compared;
  }
  EXPECT_GT(compared, 200);
}

// torchvision's file: features.N, and a classifier that is passed over.
TEST(FeaturePyramidTest, LoadsTorchvisionsVgg16) {
  const at::NoGradGuard no_grad;
  FeaturePyramid pyramid("vgg16");
  const int64_t indices[] = {0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28};
  TensorMap file;
  size_t i = 0;
  const std::vector<at::Tensor> parameters = pyramid->parameters();
  for (const int64_t index : indices) {
    const std::string name = "features." + std::to_string(index);
    file[name + ".weight"] = at::randn_like(parameters[i++]).contiguous();
    file[name + ".bias"] = at::randn_like(parameters[i++]);
  }
  file["classifier.3.weight"] = at::zeros({8, 8});
  file["classifier.6.weight"] = at::zeros({2, 8});
  const std::string path = ::testing::TempDir() + "/vgg16.safetensors";
  ASSERT_OK(WriteSafetensors(path, file));
  ASSERT_OK(LoadPretrained(path, &pyramid));
  EXPECT_TRUE(at::equal(parameters[0], file["features.0.weight"]));
  EXPECT_TRUE(at::equal(parameters[25], file["features.28.bias"]));

  file.erase("features.28.bias");
  ASSERT_OK(WriteSafetensors(path, file));
  EXPECT_THAT(LoadPretrained(path, &pyramid),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(path), HasSubstr("conv5_3.bias"))));
  EXPECT_THAT(LoadPretrained("imagenet", &pyramid),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("name a .pth or .safetensors file")));
}

TEST(NormalizeImageNetTest, MeanColourBecomesZero) {
  const at::Tensor mean =
      at::tensor({0.485 * 255, 0.456 * 255, 0.406 * 255}, at::kDouble)
          .view({1, 3, 1, 1});
  EXPECT_LT(NormalizeImageNet(mean).abs().max().item<double>(), 1e-12);
  EXPECT_NEAR(NormalizeImageNet(mean + 0.229 * 255)[0][0].item<double>(), 1,
              1e-12);
}

}  // namespace
}  // namespace seg
