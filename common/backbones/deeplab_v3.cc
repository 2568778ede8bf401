#include "common/backbones/deeplab_v3.h"

#include <utility>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/backbones/imagenet.h"
#include "common/backbones/state_dict.h"
#include "common/base/status_macros.h"
#include "common/io/weights.h"
#include "torch/nn/modules/container/modulelist.h"
#include "torch/nn/modules/linear.h"

namespace seg {
namespace {

constexpr char kResNet50[] = "resnet50";
constexpr char kLite0[] = "efficientnet_lite0";
constexpr char kTiny[] = "tiny";

// Without bias; the padding keeps the size.
torch::nn::Conv2d MakeConv(int64_t in, int64_t out, int64_t kernel,
                           int64_t dilation = 1) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, kernel)
                               .padding(dilation * (kernel - 1) / 2)
                               .dilation(dilation)
                               .bias(false));
}

}  // namespace

const std::vector<std::string>& DeepLabV3BackboneNames() {
  static const auto* const names =
      new std::vector<std::string>{kResNet50, kLite0, kTiny};
  return *names;
}

std::vector<int64_t> DeepLabV3OutputStrides(const std::string& backbone) {
  if (backbone == kTiny) return {2, 4, 8};
  return {8, 16, 32};
}

AsppImpl::AsppImpl(int64_t in_channels, int64_t channels,
                   const std::vector<int64_t>& rates, double dropout)
    : torch::nn::Module("Aspp"), dropout_(dropout) {
  TORCH_CHECK(!rates.empty(), "Aspp: rates must name at least one dilation");
  for (int64_t rate : rates) {
    TORCH_CHECK(rate >= 1, "Aspp: rates must be >= 1, got ",
                absl::StrJoin(rates, ", "));
  }
  TORCH_CHECK(channels >= 1, "Aspp: channels must be >= 1, got ", channels);
  TORCH_CHECK(dropout >= 0 && dropout < 1,
              "Aspp: dropout must be in [0,1), got ", dropout);
  torch::nn::ModuleList branches;
  // `before`: layers without parameters that torchvision counts.
  const auto add = [&](int64_t kernel, int64_t dilation, int64_t before) {
    torch::nn::ModuleList layers;
    for (int64_t i = 0; i < before; ++i) {
      layers->push_back(torch::nn::Identity());
    }
    convs_.push_back(MakeConv(in_channels, channels, kernel, dilation));
    bns_.push_back(torch::nn::BatchNorm2d(channels));
    layers->push_back(convs_.back());
    layers->push_back(bns_.back());
    branches->push_back(layers);
  };
  add(1, 1, 0);
  for (int64_t rate : rates) add(3, rate, 0);
  add(1, 1, 1);  // behind the pooling
  register_module("convs", branches);

  const int64_t joined = channels * static_cast<int64_t>(convs_.size());
  project_ = MakeConv(joined, channels, 1);
  project_bn_ = torch::nn::BatchNorm2d(channels);
  torch::nn::ModuleList project;
  project->push_back(project_);
  project->push_back(project_bn_);
  register_module("project", project);
}

at::Tensor AsppImpl::forward(const at::Tensor& x) {
  TORCH_CHECK(x.dim() == 4, "Aspp: x must be [N,F,h,w], got ", x.sizes());
  const size_t pooling = convs_.size() - 1;
  std::vector<at::Tensor> branches;
  for (size_t i = 0; i < pooling; ++i) {
    branches.push_back(bns_[i](convs_[i](x)).relu_());
  }
  const at::Tensor mean = x.mean({2, 3}, /*keepdim=*/true);
  const at::Tensor pooled = bns_[pooling](convs_[pooling](mean)).relu_();
  // Bilinear resizing of one pixel. In the layout of the others, or the joined
  // map would be in none.
  branches.push_back(pooled.expand({-1, -1, x.size(2), x.size(3)})
                         .contiguous(at::MemoryFormat::ChannelsLast));
  const at::Tensor y = project_bn_(project_(at::cat(branches, 1))).relu_();
  return at::dropout(y, dropout_, is_training());
}

DeepLabV3Impl::DeepLabV3Impl(const DeepLabV3Options& options)
    : torch::nn::Module("DeepLabV3"), options_(options) {
  const std::string& name = options.backbone();
  const int64_t classes = options.num_classes();
  const int64_t stride = options.output_stride();
  TORCH_CHECK(classes >= 1, "DeepLabV3: num_classes must be >= 1, got ",
              classes);
  std::vector<int64_t> channels;
  if (name == kResNet50) {
    resnet_ = register_module("backbone",
                              ResNet(ResNetOptions(50).output_stride(stride)));
    channels = resnet_->channels();
  } else if (name == kLite0) {
    lite_ = register_module(
        "backbone",
        EfficientNetLite(
            EfficientNetLiteOptions(0).output_stride(stride).drop_connect_rate(
                options.drop_connect_rate())));
    channels = lite_->channels();
  } else {
    TORCH_CHECK(name == kTiny, "DeepLabV3: backbone must be one of ",
                absl::StrJoin(DeepLabV3BackboneNames(), ", "), ", got \"", name,
                "\"");
    tiny_ = register_module("backbone", TinyBackbone(stride));
    channels = tiny_->channels();
  }

  const int64_t width = options.channels();
  aspp_ = Aspp(channels.back(), width, options.rates(), options.dropout());
  conv_ = MakeConv(width, width, 3);
  bn_ = torch::nn::BatchNorm2d(width);
  score_ = torch::nn::Conv2d(torch::nn::Conv2dOptions(width, classes, 1));
  torch::nn::ModuleList classifier;
  classifier->push_back(aspp_);
  classifier->push_back(conv_);
  classifier->push_back(bn_);
  classifier->push_back(torch::nn::Identity());  // ReLU, which counts too
  classifier->push_back(score_);
  register_module("classifier", classifier);
}

at::Tensor DeepLabV3Impl::Features(const at::Tensor& images) {
  if (!resnet_.is_empty()) return resnet_(NormalizeImageNet(images)).back();
  const at::Tensor x = NormalizeSigned(images);
  return lite_.is_empty() ? tiny_(x).back() : lite_(x).back();
}

at::Tensor DeepLabV3Impl::forward(const at::Tensor& images) {
  TORCH_CHECK(images.dim() == 4 && images.size(1) == 3,
              "DeepLabV3: images must be [N,3,H,W], got ", images.sizes());
  TORCH_CHECK(images.is_floating_point(),
              "DeepLabV3: images must be floating point (RGB in 0..255), got ",
              images.scalar_type());
  const int64_t height = images.size(2), width = images.size(3);
  TORCH_CHECK(height > 0 && width > 0,
              "DeepLabV3: images must not be empty in H or W, got ",
              images.sizes());
  TORCH_CHECK(!is_training() || images.size(0) >= 2,
              "DeepLabV3: training needs a batch of 2 images or more (batch "
              "norm of the pooled image), got ",
              images.size(0),
              "; raise the batch size and drop a last batch "
              "of one");
  const at::Tensor h = bn_(conv_(aspp_(Features(images)))).relu_();
  return at::upsample_bilinear2d(score_(h), {height, width},
                                 /*align_corners=*/false)
      .contiguous();
}

std::vector<at::Tensor> DeepLabV3Impl::backbone_parameters() const {
  if (!resnet_.is_empty()) return resnet_->parameters();
  return lite_.is_empty() ? tiny_->parameters() : lite_->parameters();
}

std::vector<at::Tensor> DeepLabV3Impl::head_parameters() const {
  return named_children()["classifier"]->parameters();
}

absl::Status LoadBackboneWeights(DeepLabV3& network, const std::string& path) {
  SEG_ASSIGN_OR_RETURN(TensorMap tensors, ReadWeights(path));
  absl::Status status;
  if (!network->resnet_.is_empty()) {
    status = LoadStateDict(*network->resnet_,
                           WithoutPrefixes(std::move(tensors), {"fc."}));
  } else if (!network->lite_.is_empty()) {
    status = LoadStateDict(*network->lite_,
                           WithoutLiteClassifier(std::move(tensors)));
  } else {
    status = LoadStateDict(*network->tiny_, tensors);
  }
  return status.ok() ? status
                     : absl::Status(status.code(),
                                    absl::StrCat(path, ": ", status.message()));
}

}  // namespace seg
