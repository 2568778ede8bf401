#include "common/backbones/pretrained.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

TEST(LoadPretrainedTest, ImagenetWeightsOnlyForTheirBackbone) {
  Fcn tiny(FcnOptions("tiny", 2));
  EXPECT_THAT(LoadPretrained("imagenet", &tiny),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("efficientnet_lite0")));
  Fcn lite(FcnOptions("efficientnet_lite0", 2));
  const at::Tensor before = lite->backbone_parameters()[0].clone();
  EXPECT_OK(LoadPretrained("", &lite));
  EXPECT_TRUE(at::equal(lite->backbone_parameters()[0], before));
  EXPECT_OK(LoadPretrained("imagenet", &lite));
  EXPECT_FALSE(at::equal(lite->backbone_parameters()[0], before));
}

TEST(LoadPretrainedTest, TheSameForDeepLab) {
  DeepLabV3 tiny(DeepLabV3Options("tiny", 2).channels(8));
  EXPECT_THAT(LoadPretrained("imagenet", &tiny),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("for tiny name a .pth or .safetensors file")));
  DeepLabV3 lite(DeepLabV3Options("efficientnet_lite0", 2).channels(8));
  const at::Tensor before = lite->backbone_parameters()[0].clone();
  EXPECT_OK(LoadPretrained("imagenet", &lite));
  EXPECT_FALSE(at::equal(lite->backbone_parameters()[0], before));
}

TEST(LoadPretrainedTest, TheSameForBackbonesAlone) {
  CaffeNet caffenet;
  EXPECT_OK(LoadPretrained("", &caffenet));
  EXPECT_THAT(
      LoadPretrained("imagenet", &caffenet),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("for caffenet name a .pth or .safetensors file")));
  EfficientNetLite lite(EfficientNetLiteOptions(1).output_stride(16));
  const at::Tensor before = lite->parameters()[0].clone();
  EXPECT_OK(LoadPretrained("imagenet", &lite));
  EXPECT_FALSE(at::equal(lite->parameters()[0], before));
  EXPECT_THAT(LoadPretrained("no/such.pth", &lite),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no/such.pth")));
}

TEST(LoadPretrainedTest, AMissingFileIsNamed) {
  Fcn tiny(FcnOptions("tiny", 2));
  EXPECT_THAT(LoadPretrained("no/such.pth", &tiny),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no/such.pth")));
}

}  // namespace
}  // namespace seg
