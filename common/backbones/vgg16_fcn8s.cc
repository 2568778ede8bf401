#include "common/backbones/vgg16_fcn8s.h"

#include <cmath>
#include <string>

#include "ATen/ATen.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"

namespace seg {
namespace {

struct ConvLayer {
  const char* name;
  int torchvision_index;  // features.N
  int64_t in_channels, out_channels;
  bool pool_after;
};
constexpr ConvLayer kConvLayers[] = {
    {"conv1_1", 0, 3, 64, false},     {"conv1_2", 2, 64, 64, true},
    {"conv2_1", 5, 64, 128, false},   {"conv2_2", 7, 128, 128, true},
    {"conv3_1", 10, 128, 256, false}, {"conv3_2", 12, 256, 256, false},
    {"conv3_3", 14, 256, 256, true},  {"conv4_1", 17, 256, 512, false},
    {"conv4_2", 19, 512, 512, false}, {"conv4_3", 21, 512, 512, true},
    {"conv5_1", 24, 512, 512, false}, {"conv5_2", 26, 512, 512, false},
    {"conv5_3", 28, 512, 512, true}};
constexpr size_t kPool3 = 6;  // conv3_3
constexpr size_t kPool4 = 9;  // conv4_3
constexpr int64_t kFirstPadding = 100;
constexpr int64_t kFc6Size = 7;
constexpr double kDropout = 0.5;
// Crop offsets and scales of voc-fcn8s-atonce.
constexpr int64_t kCropPool4 = 5, kCropPool3 = 9, kCropScore = 31;
constexpr double kScalePool4 = 0.01, kScalePool3 = 1e-4;

torch::nn::Conv2d MakeConv(int64_t in, int64_t out, int64_t kernel,
                           int64_t padding) {
  torch::nn::Conv2d conv(
      torch::nn::Conv2dOptions(in, out, kernel).padding(padding));
  const at::NoGradGuard no_grad;
  const double fan_out = static_cast<double>(out * kernel * kernel);
  conv->weight.normal_(0, std::sqrt(2.0 / fan_out));
  conv->bias.zero_();
  return conv;
}

torch::nn::Conv2d MakeScore(int64_t in, int64_t out) {
  torch::nn::Conv2d conv(torch::nn::Conv2dOptions(in, out, 1));
  const at::NoGradGuard no_grad;
  conv->weight.zero_();
  conv->bias.zero_();
  return conv;
}

// Transposed convolution that upsamples each class bilinearly; frozen.
torch::nn::ConvTranspose2d MakeUpsampling(int64_t classes, int64_t stride) {
  const int64_t kernel = 2 * stride;
  torch::nn::ConvTranspose2d conv(
      torch::nn::ConvTranspose2dOptions(classes, classes, kernel)
          .stride(stride)
          .bias(false));
  const at::NoGradGuard no_grad;
  const at::Tensor x = at::arange(kernel, conv->weight.options());
  const double centre = static_cast<double>(stride) - 0.5;
  const at::Tensor tent = 1 - (x - centre).abs() / static_cast<double>(stride);
  const at::Tensor filter = at::outer(tent, tent);
  conv->weight.zero_();
  for (int64_t c = 0; c < classes; ++c) conv->weight[c][c].copy_(filter);
  conv->weight.set_requires_grad(false);
  return conv;
}

at::Tensor CropLike(const at::Tensor& x, int64_t offset,
                    const at::Tensor& like) {
  return x.narrow(2, offset, like.size(2)).narrow(3, offset, like.size(3));
}

// 1x1 score of scale * x; the scale goes to the weight, which is smaller.
at::Tensor ScaledScore(const at::Tensor& x, const torch::nn::Conv2d& score,
                       double scale) {
  return at::conv2d(x, scale == 1 ? score->weight : score->weight * scale,
                    score->bias);
}

void AppendParameters(const torch::nn::Module& module,
                      std::vector<at::Tensor>* out) {
  for (const at::Tensor& p : module.parameters()) out->push_back(p);
}

}  // namespace

Vgg16Fcn8sImpl::Vgg16Fcn8sImpl(const Vgg16Fcn8sOptions& options)
    : torch::nn::Module("Vgg16Fcn8s"), options_(options) {
  const int64_t classes = options.num_classes();
  const int64_t fc = options.fc_channels();
  TORCH_CHECK(classes >= 1, "Vgg16Fcn8s: num_classes must be >= 1, got ",
              classes);
  TORCH_CHECK(fc >= 1, "Vgg16Fcn8s: fc_channels must be >= 1, got ", fc);
  for (const ConvLayer& layer : kConvLayers) {
    convs_.push_back(register_module(
        layer.name, MakeConv(layer.in_channels, layer.out_channels, 3,
                             convs_.empty() ? kFirstPadding : 1)));
  }
  fc6_ = register_module("fc6", MakeConv(512, fc, kFc6Size, 0));
  fc7_ = register_module("fc7", MakeConv(fc, fc, 1, 0));
  score_fr_ = register_module("score_fr", MakeScore(fc, classes));
  score_pool3_ = register_module("score_pool3", MakeScore(256, classes));
  score_pool4_ = register_module("score_pool4", MakeScore(512, classes));
  upscore2_ = register_module("upscore2", MakeUpsampling(classes, 2));
  upscore8_ = register_module("upscore8", MakeUpsampling(classes, 8));
  upscore_pool4_ = register_module("upscore_pool4", MakeUpsampling(classes, 2));
}

at::Tensor Vgg16Fcn8sImpl::forward(const at::Tensor& x) {
  TORCH_CHECK(x.dim() == 4 && x.size(1) == 3,
              "Vgg16Fcn8s: x must be [N,3,H,W], got ", x.sizes());
  TORCH_CHECK(x.size(2) > 0 && x.size(3) > 0,
              "Vgg16Fcn8s: x must not be empty in H or W, got ", x.sizes());
  at::Tensor h = x.contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor pool3, pool4;
  for (size_t i = 0; i < convs_.size(); ++i) {
    h = convs_[i](h).relu_();
    if (!kConvLayers[i].pool_after) continue;
    h = at::max_pool2d(h, {2, 2}, {2, 2}, /*padding=*/{0, 0},
                       /*dilation=*/{1, 1}, /*ceil_mode=*/true);
    if (i == kPool3) pool3 = h;
    if (i == kPool4) pool4 = h;
  }
  h = at::dropout(fc6_(h).relu_(), kDropout, is_training());
  h = at::dropout(fc7_(h).relu_(), kDropout, is_training());

  const bool at_once = options_.at_once();
  h = upscore2_(score_fr_(h));
  h = h + CropLike(ScaledScore(pool4, score_pool4_, at_once ? kScalePool4 : 1),
                   kCropPool4, h);
  h = upscore_pool4_(h);
  h = h + CropLike(ScaledScore(pool3, score_pool3_, at_once ? kScalePool3 : 1),
                   kCropPool3, h);
  h = upscore8_(h);
  return CropLike(h, kCropScore, x).contiguous();
}

std::vector<at::Tensor> Vgg16Fcn8sImpl::backbone_parameters() const {
  std::vector<at::Tensor> out;
  for (const torch::nn::Conv2d& conv : convs_) AppendParameters(*conv, &out);
  AppendParameters(*fc6_, &out);
  AppendParameters(*fc7_, &out);
  return out;
}

std::vector<at::Tensor> Vgg16Fcn8sImpl::head_parameters() const {
  std::vector<at::Tensor> out;
  AppendParameters(*score_fr_, &out);
  AppendParameters(*score_pool3_, &out);
  AppendParameters(*score_pool4_, &out);
  AppendParameters(*upscore2_, &out);
  AppendParameters(*upscore8_, &out);
  AppendParameters(*upscore_pool4_, &out);
  return out;
}

absl::StatusOr<TensorMap> Vgg16BackboneTensors(const TensorMap& tensors) {
  std::map<std::string, std::string> names;  // torchvision's -> ours
  for (const ConvLayer& layer : kConvLayers) {
    names[absl::StrCat("features.", layer.torchvision_index)] = layer.name;
  }
  names["classifier.0"] = "fc6";
  names["classifier.3"] = "fc7";

  TensorMap out;
  for (const auto& [name, tensor] : tensors) {
    if (absl::StartsWith(name, "classifier.6.")) continue;
    const size_t dot = name.rfind('.');
    const auto it = names.find(name.substr(0, dot));
    if (it == names.end()) {
      out[name] = tensor;  // ours already, or left to the loader to refuse
      continue;
    }
    const bool is_fc = absl::StartsWith(name, "classifier.");
    if (is_fc && tensor.dim() == 2) {
      const int64_t size = name[11] == '0' ? kFc6Size : 1;
      if (tensor.size(1) % (size * size) != 0) {
        return absl::InvalidArgumentError(absl::StrCat(
            name, ": expected [4096,", size == 1 ? "4096" : "25088", "], got [",
            absl::StrJoin(absl::MakeConstSpan(tensor.sizes().data(), 2), ","),
            "]"));
      }
      out[it->second + name.substr(dot)] = tensor.reshape(
          {tensor.size(0), tensor.size(1) / (size * size), size, size});
    } else {
      out[it->second + name.substr(dot)] = tensor;
    }
  }
  return out;
}

}  // namespace seg
