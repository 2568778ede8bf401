#include "common/backbones/resnet.h"

#include <cmath>
#include <string>
#include <utility>

#include "ATen/ATen.h"
#include "torch/nn/modules/container/modulelist.h"

namespace seg {
namespace {

constexpr int64_t kLayers = 4;
constexpr int64_t kStemChannels = 64;
constexpr int64_t kStemStride = 4;  // of conv1 and the pooling together
constexpr int64_t kChannels[kLayers] = {64, 128, 256, 512};
constexpr int64_t kExpansion = 4;  // of a bottleneck
constexpr int64_t kBlocks18[kLayers] = {2, 2, 2, 2};
constexpr int64_t kBlocks50[kLayers] = {3, 4, 6, 3};

// Without bias; the padding keeps the size at stride 1.
torch::nn::Conv2d MakeConv(int64_t in, int64_t out, int64_t kernel,
                           int64_t stride, int64_t dilation = 1) {
  torch::nn::Conv2d conv(torch::nn::Conv2dOptions(in, out, kernel)
                             .stride(stride)
                             .padding(dilation * (kernel - 1) / 2)
                             .dilation(dilation)
                             .bias(false));
  const at::NoGradGuard no_grad;
  const double fan_out = static_cast<double>(out * kernel * kernel);
  conv->weight.normal_(0, std::sqrt(2.0 / fan_out));
  return conv;
}

}  // namespace

ResNetBlockImpl::ResNetBlockImpl(int64_t in_channels, int64_t channels,
                                 bool bottleneck, int64_t stride,
                                 int64_t dilation)
    : torch::nn::Module("ResNetBlock") {
  const int64_t out_channels = channels * (bottleneck ? kExpansion : 1);
  // The stride of a bottleneck is at its 3x3 convolution.
  if (bottleneck) {
    convs_ = {MakeConv(in_channels, channels, 1, 1),
              MakeConv(channels, channels, 3, stride, dilation),
              MakeConv(channels, out_channels, 1, 1)};
  } else {
    convs_ = {MakeConv(in_channels, channels, 3, stride, dilation),
              MakeConv(channels, channels, 3, 1, dilation)};
  }
  for (size_t i = 0; i < convs_.size(); ++i) {
    const std::string number = std::to_string(i + 1);
    register_module("conv" + number, convs_[i]);
    bns_.push_back(register_module(
        "bn" + number,
        torch::nn::BatchNorm2d(convs_[i]->options.out_channels())));
  }
  if (stride != 1 || in_channels != out_channels) {
    shortcut_ = MakeConv(in_channels, out_channels, 1, stride);
    shortcut_bn_ = torch::nn::BatchNorm2d(out_channels);
    torch::nn::ModuleList list;
    list->push_back(shortcut_);
    list->push_back(shortcut_bn_);
    register_module("downsample", list);
  }
}

at::Tensor ResNetBlockImpl::forward(const at::Tensor& x) {
  at::Tensor y = x;
  for (size_t i = 0; i < convs_.size(); ++i) {
    y = bns_[i](convs_[i](y));
    if (i + 1 < convs_.size()) y = y.relu_();
  }
  // In place: the backward pass of batch norm does not need its output.
  return y.add_(shortcut_.is_empty() ? x : shortcut_bn_(shortcut_(x))).relu_();
}

ResNetImpl::ResNetImpl(const ResNetOptions& options)
    : torch::nn::Module("ResNet") {
  const int64_t depth = options.depth(),
                output_stride = options.output_stride();
  TORCH_CHECK(depth == 18 || depth == 50,
              "ResNet: depth must be 18 or 50, got ", depth);
  TORCH_CHECK(output_stride == 32 ||
                  (depth == 50 && (output_stride == 8 || output_stride == 16)),
              "ResNet: output_stride must be ",
              depth == 50 ? "8, 16 or 32" : "32 for depth 18", ", got ",
              output_stride);
  TORCH_CHECK(options.num_classes() >= 0,
              "ResNet: num_classes must be >= 0, got ", options.num_classes());
  const bool bottleneck = depth == 50;

  conv1_ = register_module("conv1", MakeConv(3, kStemChannels, 7, 2));
  bn1_ = register_module("bn1", torch::nn::BatchNorm2d(kStemChannels));
  int64_t in = kStemChannels, reached = kStemStride, dilation = 1;
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    int64_t stride = layer == 0 ? 1 : 2;
    // A stride that is left out becomes dilation behind the first block.
    int64_t first_dilation = dilation;
    if (reached * stride > output_stride) {
      dilation *= stride;
      stride = 1;
    }
    reached *= stride;
    torch::nn::ModuleList list;
    layers_.emplace_back();
    for (int64_t i = 0; i < (bottleneck ? kBlocks50[layer] : kBlocks18[layer]);
         ++i) {
      ResNetBlock block(in, kChannels[layer], bottleneck, i == 0 ? stride : 1,
                        i == 0 ? first_dilation : dilation);
      list->push_back(block);
      layers_.back().push_back(block);
      in = kChannels[layer] * (bottleneck ? kExpansion : 1);
    }
    register_module("layer" + std::to_string(layer + 1), list);
    channels_.push_back(in);
  }
  if (options.num_classes() > 0) {
    fc_ = register_module("fc", torch::nn::Linear(in, options.num_classes()));
  }
}

std::vector<at::Tensor> ResNetImpl::forward(const at::Tensor& x) {
  TORCH_CHECK(x.dim() == 4 && x.size(1) == 3,
              "ResNet: x must be [N,3,H,W], got ", x.sizes());
  TORCH_CHECK(x.size(2) > 0 && x.size(3) > 0,
              "ResNet: x must not be empty in H or W, got ", x.sizes());
  at::Tensor y = conv1_(x.contiguous(at::MemoryFormat::ChannelsLast));
  y = at::max_pool2d(bn1_(y).relu_(), {3, 3}, {2, 2}, /*padding=*/{1, 1});
  std::vector<at::Tensor> maps;
  for (std::vector<ResNetBlock>& blocks : layers_) {
    for (ResNetBlock& block : blocks) y = block(y);
    maps.push_back(y);
  }
  return maps;
}

at::Tensor ResNetImpl::Classify(const at::Tensor& x) {
  TORCH_CHECK(!fc_.is_empty(), "ResNet: Classify needs num_classes > 0");
  return fc_(forward(x).back().mean({2, 3}));
}

}  // namespace seg
