#include "common/backbones/feature_pyramid.h"

#include <algorithm>
#include <utility>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/backbones/imagenet.h"
#include "common/backbones/state_dict.h"
#include "common/base/status_macros.h"
#include "common/io/weights.h"

namespace seg {
namespace {

constexpr char kVgg16[] = "vgg16";

}  // namespace

const std::vector<std::string>& FeaturePyramidNames() {
  static const auto* const names = new std::vector<std::string>{
      "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", kVgg16};
  return *names;
}

FeaturePyramidImpl::FeaturePyramidImpl(const std::string& backbone)
    : backbone_(backbone) {
  const std::vector<std::string>& names = FeaturePyramidNames();
  const auto found = std::find(names.begin(), names.end(), backbone);
  TORCH_CHECK(found != names.end(), "FeaturePyramid: backbone must be one of ",
              absl::StrJoin(names, ", "), ", got \"", backbone, "\"");
  if (backbone == kVgg16) {
    vgg_ = register_module("vgg16", Vgg16(Vgg16Options().pool_size(3)));
    channels_ = {128, 256, 512, 512, 512};
  } else {
    lite_ = register_module(
        "lite",
        EfficientNetLite(EfficientNetLiteOptions(found - names.begin())));
    channels_ = lite_->channels();
  }
}

std::vector<at::Tensor> FeaturePyramidImpl::forward(const at::Tensor& images) {
  TORCH_CHECK(images.dim() == 4 && images.size(1) == 3,
              "FeaturePyramid: images must be [N,3,H,W], got ", images.sizes());
  return vgg_.is_empty() ? lite_(NormalizeSigned(images))
                         : vgg_(NormalizeImageNet(images));
}

absl::Status LoadBackboneWeights(FeaturePyramid& pyramid,
                                 const std::string& path) {
  SEG_ASSIGN_OR_RETURN(TensorMap tensors, ReadWeights(path));
  absl::Status status;
  if (!pyramid->vgg_.is_empty()) {
    absl::StatusOr<TensorMap> renamed = Vgg16BackboneTensors(tensors);
    status = renamed.status();
    if (status.ok()) {
      status =
          LoadStateDict(*pyramid->vgg_,
                        WithoutPrefixes(*std::move(renamed), {"fc6.", "fc7."}));
    }
  } else {
    status = LoadStateDict(*pyramid->lite_,
                           WithoutLiteClassifier(std::move(tensors)));
  }
  return status.ok() ? status
                     : absl::Status(status.code(),
                                    absl::StrCat(path, ": ", status.message()));
}

}  // namespace seg
