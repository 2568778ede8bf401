#include "common/backbones/efficientnet_lite.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "ATen/ATen.h"
#include "torch/nn/modules/container/modulelist.h"

namespace seg {
namespace {

// Batch norm of the reference (TensorFlow's momentum 0.99).
constexpr double kBatchNormEps = 1e-3;
constexpr double kBatchNormMomentum = 0.01;

struct Stage {
  int64_t repeats, kernel_size, stride, expand, in_channels, out_channels;
};
// efficientnet_lite_builder.py, variant 0.
constexpr Stage kStages[] = {{1, 3, 1, 1, 32, 16},  {2, 3, 2, 6, 16, 24},
                             {2, 5, 2, 6, 24, 40},  {3, 3, 2, 6, 40, 80},
                             {3, 5, 1, 6, 80, 112}, {4, 5, 2, 6, 112, 192},
                             {1, 3, 1, 6, 192, 320}};
constexpr int64_t kNumStages = sizeof(kStages) / sizeof(kStages[0]);
constexpr int64_t kStemStride = 2;
constexpr int64_t kStemChannels = 32;    // not scaled in the Lite variants
constexpr int64_t kHeadChannels = 1280;  // likewise

struct Scaling {
  double width, depth, dropout;
};
constexpr Scaling kScaling[] = {
    {1.0, 1.0, 0.2}, {1.0, 1.1, 0.2}, {1.1, 1.2, 0.3}};

// Scaled number of channels: a multiple of 8, never below 90 % of the exact
// value.
int64_t RoundChannels(int64_t channels, double width) {
  constexpr int64_t kDivisor = 8;
  const double exact = static_cast<double>(channels) * width;
  int64_t rounded =
      std::max(kDivisor, static_cast<int64_t>(exact + kDivisor / 2.0) /
                             kDivisor * kDivisor);
  if (static_cast<double>(rounded) < 0.9 * exact) rounded += kDivisor;
  return rounded;
}

int64_t RoundRepeats(int64_t repeats, double depth) {
  return static_cast<int64_t>(std::ceil(depth * static_cast<double>(repeats)));
}

torch::nn::BatchNorm2d MakeBatchNorm(int64_t channels) {
  return torch::nn::BatchNorm2d(torch::nn::BatchNorm2dOptions(channels)
                                    .eps(kBatchNormEps)
                                    .momentum(kBatchNormMomentum));
}

// In place: the backward passes of batch norm and of hardtanh_ do not need the
// value that is overwritten (clamp_ would, and copies it).
at::Tensor ReLU6(at::Tensor x) { return at::hardtanh_(x, 0, 6); }

// Stochastic depth per sample (drop_connect of the reference).
at::Tensor DropConnect(const at::Tensor& x, double drop_rate) {
  const double keep = 1.0 - drop_rate;
  at::Tensor mask = at::rand({x.size(0), 1, 1, 1}, x.options());
  mask.add_(keep).floor_().div_(keep);
  return x * mask;
}

}  // namespace

MbConvBlockImpl::MbConvBlockImpl(int64_t in_channels, int64_t out_channels,
                                 int64_t expand, int64_t kernel_size,
                                 int64_t stride, int64_t dilation,
                                 double drop_rate)
    : torch::nn::Module("MbConvBlock"),
      stride_(stride),
      out_channels_(out_channels),
      skip_(stride == 1 && in_channels == out_channels),
      drop_rate_(drop_rate) {
  const int64_t mid_channels = in_channels * expand;
  if (expand != 1) {
    expand_conv_ = register_module(
        "_expand_conv",
        SameConv2d(SameConv2dOptions(in_channels, mid_channels, 1)));
    bn0_ = register_module("_bn0", MakeBatchNorm(mid_channels));
  }
  depthwise_conv_ = register_module(
      "_depthwise_conv",
      SameConv2d(SameConv2dOptions(mid_channels, mid_channels, kernel_size)
                     .stride(stride)
                     .dilation(dilation)
                     .groups(mid_channels)));
  bn1_ = register_module("_bn1", MakeBatchNorm(mid_channels));
  project_conv_ = register_module(
      "_project_conv",
      SameConv2d(SameConv2dOptions(mid_channels, out_channels, 1)));
  bn2_ = register_module("_bn2", MakeBatchNorm(out_channels));
}

at::Tensor MbConvBlockImpl::forward(const at::Tensor& x) {
  at::Tensor y = x;
  if (!expand_conv_.is_empty()) y = ReLU6(bn0_(expand_conv_(y)));
  y = ReLU6(bn1_(depthwise_conv_(y)));
  y = bn2_(project_conv_(y));
  if (!skip_) return y;
  if (is_training() && drop_rate_ > 0) y = DropConnect(y, drop_rate_);
  return y + x;
}

EfficientNetLiteImpl::EfficientNetLiteImpl(
    const EfficientNetLiteOptions& options)
    : torch::nn::Module("EfficientNetLite"), variant_(options.variant()) {
  const int64_t variant = options.variant();
  TORCH_CHECK(variant >= 0 && variant <= 2,
              "EfficientNetLite: variant must be 0, 1 or 2, got ", variant);
  TORCH_CHECK(options.num_classes() >= 0,
              "EfficientNetLite: num_classes must be >= 0, got ",
              options.num_classes());
  const double drop_rate = options.drop_connect_rate();
  TORCH_CHECK(drop_rate >= 0 && drop_rate < 1,
              "EfficientNetLite: drop_connect_rate must be in [0,1), got ",
              drop_rate);
  const int64_t output_stride = options.output_stride();
  TORCH_CHECK(output_stride == 8 || output_stride == 16 || output_stride == 32,
              "EfficientNetLite: output_stride must be 8, 16 or 32, got ",
              output_stride);
  const Scaling scaling = kScaling[variant];
  dropout_rate_ = scaling.dropout;

  conv_stem_ = register_module(
      "_conv_stem",
      SameConv2d(SameConv2dOptions(3, kStemChannels, 3).stride(kStemStride)));
  bn0_ = register_module("_bn0", MakeBatchNorm(kStemChannels));

  // Repeats of the first and last stage are not scaled in the Lite variants.
  const auto repeats = [&](int64_t stage) {
    return stage == 0 || stage == kNumStages - 1
               ? kStages[stage].repeats
               : RoundRepeats(kStages[stage].repeats, scaling.depth);
  };
  int64_t num_blocks = 0;
  for (int64_t i = 0; i < kNumStages; ++i) num_blocks += repeats(i);

  torch::nn::ModuleList list;
  int64_t reached = kStemStride, dilation = 1;
  for (int64_t i = 0; i < kNumStages; ++i) {
    const Stage& stage = kStages[i];
    // A stride that is left out becomes dilation behind the first block.
    const int64_t first_dilation = dilation;
    int64_t first_stride = stage.stride;
    if (reached * first_stride > output_stride) {
      dilation *= first_stride;
      first_stride = 1;
    }
    reached *= first_stride;
    const int64_t out = RoundChannels(stage.out_channels, scaling.width);
    int64_t in = i == 0 ? kStemChannels
                        : RoundChannels(stage.in_channels, scaling.width);
    for (int64_t r = 0; r < repeats(i); ++r) {
      const int64_t stride = r == 0 ? first_stride : 1;
      if (stride == 2) channels_.push_back(in);  // the level that ends here
      const double index = static_cast<double>(blocks_.size());
      MbConvBlock block(in, out, stage.expand, stage.kernel_size, stride,
                        r == 0 ? first_dilation : dilation,
                        drop_rate * index / static_cast<double>(num_blocks));
      list->push_back(block);
      blocks_.push_back(block);
      in = out;
    }
    if (i == kNumStages - 1) channels_.push_back(out);
  }
  register_module("_blocks", list);

  if (options.num_classes() > 0) {
    conv_head_ = register_module(
        "_conv_head",
        SameConv2d(SameConv2dOptions(channels_.back(), kHeadChannels, 1)));
    bn1_ = register_module("_bn1", MakeBatchNorm(kHeadChannels));
    fc_ = register_module(
        "_fc", torch::nn::Linear(kHeadChannels, options.num_classes()));
  }
}

at::Tensor EfficientNetLiteImpl::Run(const at::Tensor& x,
                                     std::vector<at::Tensor>* features) {
  TORCH_CHECK(x.dim() == 4 && x.size(1) == 3,
              "EfficientNetLite: x must be [N,3,H,W], got ", x.sizes());
  TORCH_CHECK(x.size(2) > 0 && x.size(3) > 0,
              "EfficientNetLite: x must not be empty in H or W, got ",
              x.sizes());
  at::Tensor y =
      ReLU6(bn0_(conv_stem_(x.contiguous(at::MemoryFormat::ChannelsLast))));
  for (MbConvBlock& block : blocks_) {
    if (features != nullptr && block->stride() == 2) features->push_back(y);
    y = block(y);
  }
  if (features != nullptr) features->push_back(y);
  return y;
}

std::vector<at::Tensor> EfficientNetLiteImpl::forward(const at::Tensor& x) {
  std::vector<at::Tensor> features;
  Run(x, &features);
  return features;
}

at::Tensor EfficientNetLiteImpl::Classify(const at::Tensor& x) {
  TORCH_CHECK(!conv_head_.is_empty(),
              "EfficientNetLite: Classify needs num_classes > 0");
  at::Tensor y = ReLU6(bn1_(conv_head_(Run(x, nullptr))));
  y = y.mean({2, 3});
  return fc_(at::dropout(y, dropout_rate_, is_training()));
}

}  // namespace seg
