#include "common/backbones/fcn.h"

#include <cstdint>
#include <utility>

#include "ATen/ATen.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/backbones/imagenet.h"
#include "common/base/status_macros.h"
#include "common/io/weights.h"

namespace seg {
namespace {

constexpr char kTiny[] = "tiny";
constexpr char kLite[] = "efficientnet_lite";  // + variant
constexpr char kVgg16[] = "vgg16";

// The levels of EfficientNet-Lite that the head scores: strides 8, 16, 32.
constexpr size_t kFirstLiteLevel = 2;

// Whether a tensor of Vgg16Fcn8s belongs to the score layers.
bool IsVggHead(const std::string& name) {
  return absl::StartsWith(name, "score_") || absl::StartsWith(name, "upscore");
}

absl::Status WithPath(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(path, ": ", status.message()));
}

}  // namespace

const std::vector<std::string>& FcnBackboneNames() {
  static const auto* const names = new std::vector<std::string>{
      kTiny, absl::StrCat(kLite, 0), absl::StrCat(kLite, 1),
      absl::StrCat(kLite, 2), kVgg16};
  return *names;
}

FcnImpl::FcnImpl(const FcnOptions& options)
    : torch::nn::Module("Fcn"), options_(options) {
  const std::string& name = options.backbone();
  const int64_t classes = options.num_classes();
  TORCH_CHECK(classes >= 1, "Fcn: num_classes must be >= 1, got ", classes);
  if (name == kVgg16) {
    vgg_ = register_module("vgg16", Vgg16Fcn8s(Vgg16Fcn8sOptions(classes)));
    return;
  }
  std::vector<int64_t> channels;
  if (name == kTiny) {
    tiny_ = register_module("backbone", TinyBackbone());
    channels = tiny_->channels();
  } else {
    int64_t variant = 0;
    while (variant < 3 && name != absl::StrCat(kLite, variant)) ++variant;
    TORCH_CHECK(variant < 3, "Fcn: backbone must be one of ",
                absl::StrJoin(FcnBackboneNames(), ", "), ", got \"", name,
                "\"");
    lite_ = register_module(
        "backbone",
        EfficientNetLite(EfficientNetLiteOptions(variant).drop_connect_rate(
            options.drop_connect_rate())));
    channels.assign(lite_->channels().begin() + kFirstLiteLevel,
                    lite_->channels().end());
  }
  head_ =
      register_module("head", Fcn8sHead(Fcn8sHeadOptions(channels, classes)));
}

at::Tensor FcnImpl::forward(const at::Tensor& images) {
  TORCH_CHECK(images.dim() == 4 && images.size(1) == 3,
              "Fcn: images must be [N,3,H,W], got ", images.sizes());
  TORCH_CHECK(images.is_floating_point(),
              "Fcn: images must be floating point (RGB in 0..255), got ",
              images.scalar_type());
  const int64_t height = images.size(2), width = images.size(3);
  TORCH_CHECK(height >= min_size() && width >= min_size(),
              "Fcn: images must be at least ", min_size(), " x ", min_size(),
              " for backbone ", options_.backbone(), ", got ", height, " x ",
              width, "; enlarge them by data.resize_height and resize_width");
  if (!vgg_.is_empty()) return vgg_(NormalizeImageNet(images));
  const at::Tensor x = NormalizeSigned(images);
  std::vector<at::Tensor> features;
  if (!tiny_.is_empty()) {
    features = tiny_(x);
  } else {
    features = lite_(x);
    features.erase(features.begin(), features.begin() + kFirstLiteLevel);
  }
  return head_(features, height, width);
}

std::vector<at::Tensor> FcnImpl::backbone_parameters() const {
  if (!vgg_.is_empty()) return vgg_->backbone_parameters();
  return tiny_.is_empty() ? lite_->parameters() : tiny_->parameters();
}

std::vector<at::Tensor> FcnImpl::head_parameters() const {
  return vgg_.is_empty() ? head_->parameters() : vgg_->head_parameters();
}

int64_t FcnImpl::min_size() const {
  if (!vgg_.is_empty()) return 1;
  return tiny_.is_empty() ? 32 : 8;
}

absl::Status LoadBackboneWeights(Fcn& fcn, const std::string& path) {
  SEG_ASSIGN_OR_RETURN(TensorMap tensors, ReadWeights(path));
  absl::Status status;
  if (!fcn->vgg_.is_empty()) {
    absl::StatusOr<TensorMap> renamed = Vgg16BackboneTensors(tensors);
    if (!renamed.ok()) return WithPath(path, renamed.status());
    // The head loads its own values, so that one strict call checks the rest.
    for (const auto& [name, tensor] : StateDict(*fcn->vgg_)) {
      if (IsVggHead(name)) renamed->emplace(name, tensor);
    }
    status = LoadStateDict(*fcn->vgg_, *renamed);
  } else if (!fcn->lite_.is_empty()) {
    status =
        LoadStateDict(*fcn->lite_, WithoutLiteClassifier(std::move(tensors)));
  } else {
    status = LoadStateDict(*fcn->tiny_, tensors);
  }
  return status.ok() ? status : WithPath(path, status);
}

}  // namespace seg
