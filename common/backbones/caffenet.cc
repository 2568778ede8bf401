#include "common/backbones/caffenet.h"

#include <cmath>
#include <utility>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "common/backbones/imagenet.h"
#include "common/backbones/state_dict.h"
#include "common/base/status_macros.h"
#include "common/io/tensor_map.h"
#include "common/io/weights.h"

namespace seg {
namespace {

// train_val.prototxt of bvlc_reference_caffenet.
struct ConvLayer {
  int64_t in_channels, out_channels, kernel, stride, padding, groups;
  bool pooled;  // pooling and normalisation behind it
};
constexpr ConvLayer kConvLayers[] = {{3, 96, 11, 4, 0, 1, true},
                                     {96, 256, 5, 1, 2, 2, true},
                                     {256, 384, 3, 1, 1, 1, false},
                                     {384, 384, 3, 1, 1, 2, false},
                                     {384, 256, 3, 1, 1, 2, false}};
constexpr int64_t kMinSize = 35;  // one cell

constexpr int64_t kLrnWindow = 5;
constexpr double kLrnAlpha = 1e-4;
constexpr double kLrnBeta = 0.75;

}  // namespace

at::Tensor NormalizeCaffe(const at::Tensor& images) {
  const at::Tensor mean = at::tensor({104.00698793, 116.66876762, 122.67891434},
                                     images.options().requires_grad(false))
                              .view({1, 3, 1, 1});
  return images.flip(1).sub_(mean);
}

at::Tensor CaffeLrn(const at::Tensor& x) {
  const int64_t channels = x.size(1);
  const int64_t beside = kLrnWindow / 2;
  const at::Tensor squares =
      at::constant_pad_nd(x.square(), {0, 0, 0, 0, beside, beside});
  at::Tensor sum = squares.narrow(1, 0, channels);
  for (int64_t i = 1; i < kLrnWindow; ++i) {
    sum = sum + squares.narrow(1, i, channels);
  }
  return x * (1 + (kLrnAlpha / kLrnWindow) * sum).pow(-kLrnBeta);
}

CaffeNetImpl::CaffeNetImpl() : torch::nn::Module("CaffeNet") {
  const at::NoGradGuard no_grad;
  for (const ConvLayer& layer : kConvLayers) {
    torch::nn::Conv2d conv(torch::nn::Conv2dOptions(layer.in_channels,
                                                    layer.out_channels,
                                                    layer.kernel)
                               .stride(layer.stride)
                               .padding(layer.padding)
                               .groups(layer.groups));
    const int64_t fan_in = conv->weight[0].numel();
    conv->weight.normal_(0, std::sqrt(2.0 / static_cast<double>(fan_in)));
    conv->bias.zero_();
    convs_.push_back(
        register_module(absl::StrCat("conv", convs_.size() + 1), conv));
  }
}

at::Tensor CaffeNetImpl::forward(const at::Tensor& x) {
  TORCH_CHECK(x.dim() == 4 && x.size(1) == 3,
              "CaffeNet: x must be [N,3,H,W], got ", x.sizes());
  TORCH_CHECK(x.size(2) >= kMinSize && x.size(3) >= kMinSize,
              "CaffeNet: x must have ", kMinSize,
              " rows and columns or more, got ", x.sizes());
  at::Tensor h = x;
  for (size_t i = 0; i < convs_.size(); ++i) {
    h = convs_[i](h).relu_();
    if (kConvLayers[i].pooled) h = CaffeLrn(at::max_pool2d(h, {3, 3}, {2, 2}));
  }
  return h.contiguous();
}

absl::Status LoadBackboneWeights(CaffeNet& net, const std::string& path) {
  SEG_ASSIGN_OR_RETURN(TensorMap tensors, ReadWeights(path));
  const absl::Status status = LoadStateDict(
      *net, WithoutPrefixes(std::move(tensors), {"fc6.", "fc7.", "fc8."}));
  return status.ok() ? status
                     : absl::Status(status.code(),
                                    absl::StrCat(path, ": ", status.message()));
}

}  // namespace seg
