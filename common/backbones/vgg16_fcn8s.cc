#include "common/backbones/vgg16_fcn8s.h"

#include <cmath>

#include "ATen/ATen.h"

namespace seg {
namespace {

constexpr int64_t kPool3 = 2, kPool4 = 3;  // blocks
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
    : Vgg16Impl(Vgg16Options().first_padding(kFirstPadding)),
      options_(options) {
  const int64_t classes = options.num_classes();
  const int64_t fc = options.fc_channels();
  TORCH_CHECK(classes >= 1, "Vgg16Fcn8s: num_classes must be >= 1, got ",
              classes);
  TORCH_CHECK(fc >= 1, "Vgg16Fcn8s: fc_channels must be >= 1, got ", fc);
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
  for (int64_t i = 0; i < kBlocks; ++i) {
    h = Pool(Block(i, h));
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
  std::vector<at::Tensor> out = conv_parameters();
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

}  // namespace seg
