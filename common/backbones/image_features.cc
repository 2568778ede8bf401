#include "common/backbones/image_features.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/backbones/feature_pyramid.h"
#include "common/backbones/pretrained.h"
#include "common/base/status_macros.h"

namespace seg {
namespace {

// The size that the published weights were trained with.
constexpr int64_t kSize = 224;

}  // namespace

absl::StatusOr<ImageFeatures> ImageFeatures::EfficientNetLite0(
    c10::Device device) {
  FeaturePyramid pyramid("efficientnet_lite0");
  SEG_RETURN_IF_ERROR(LoadPretrained("imagenet", &pyramid));
  pyramid->to(device);
  pyramid->eval();
  ImageFeatures features;
  features.distance_name_ = "frechet_efficientnet_lite0";
  features.network_ = [pyramid, device](const at::Tensor& pixels) mutable {
    const at::Tensor resized = at::upsample_bilinear2d(
        pixels.to(device), {kSize, kSize}, /*align_corners=*/false);
    return pyramid->forward(resized).back().mean(at::IntArrayRef({2, 3}));
  };
  return features;
}

absl::StatusOr<ImageFeatures> ImageFeatures::Inception(const std::string& path,
                                                       c10::Device device) {
  auto module = std::make_shared<torch::jit::Module>();
  try {
    *module = torch::jit::load(path, device);
  } catch (const c10::Error& e) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": is no TorchScript file: ", e.what_without_backtrace()));
  }
  module->eval();
  ImageFeatures features;
  features.distance_name_ = "fid";
  features.network_ = [module, device, path](const at::Tensor& pixels) {
    const at::Tensor found = module
                                 ->forward({pixels.to(device, at::kByte)},
                                           {{"return_features", true}})
                                 .toTensor();
    TORCH_CHECK(found.dim() == 2 && found.size(0) == pixels.size(0), path,
                ": expected features [", pixels.size(0), ",F], got ",
                found.sizes());
    return found.to(at::kFloat);
  };
  return features;
}

at::Tensor ImageFeatures::operator()(const at::Tensor& images) const {
  const at::NoGradGuard no_grad;
  return network_(images.round().clamp(0, 255));
}

}  // namespace seg
