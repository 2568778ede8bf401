#include "ganseg/discriminator.h"

#include <ATen/ATen.h>

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/layers/conditional_norm/kaiming.h"
#include "common/layers/narrow_convolution/narrow_convolution.h"

namespace seg {
namespace ganseg {
namespace {

using torch::nn::Conv2d;
using torch::nn::Conv2dOptions;
using torch::nn::Linear;

constexpr int64_t kColours = 3;

// A convolution of stride 1 and a leaky ReLU.
at::Tensor ConvolveLeaky(const Conv2d& conv, const at::Tensor& x) {
  return Convolution3x3(x, conv->weight, conv->bias, kLeakySlope);
}

// Side of the last map.
int64_t LastSize(const DiscriminatorOptions& options) {
  return options.image_size() >> options.channels().size();
}

}  // namespace

DiscriminatorOptions DiscriminatorOptions::Demo() {
  return DiscriminatorOptions()
      .channels({12, 24, 48, 48})
      .fc_width(64)
      .image_size(32);
}

absl::Status CheckOptions(const DiscriminatorOptions& options) {
  if (options.channels().empty() || options.channels().size() > 16) {
    return absl::InvalidArgumentError(absl::StrCat(
        "channels: expected 1 to 16 blocks, got ", options.channels().size()));
  }
  for (const int64_t c : options.channels()) {
    if (c < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("channels: must be at least 1, got ", c));
    }
  }
  if (options.fc_width() < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("fc_width: must be at least 1, got ", options.fc_width()));
  }
  const int64_t unit = int64_t{1} << options.channels().size();
  if (options.image_size() < unit || options.image_size() % unit != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "image_size: must be a multiple of ", unit, " for ",
        options.channels().size(), " halvings, got ", options.image_size()));
  }
  return absl::OkStatus();
}

DownBlockImpl::DownBlockImpl(int64_t in, int64_t out)
    : torch::nn::Module("DownBlock") {
  const auto conv3x3 = [&](const char* name, int64_t from, int64_t stride) {
    return register_module(
        name, Conv2d(Conv2dOptions(from, out, 3).stride(stride).padding(1)));
  };
  conv0_ = conv3x3("conv0", in, 1);
  conv1_ = conv3x3("conv1", out, 1);
  conv2_ = conv3x3("conv2", out, 2);
  side_ = register_module("side", Conv2d(Conv2dOptions(in, out, 1)));
}

at::Tensor DownBlockImpl::forward(const at::Tensor& x) {
  TORCH_CHECK(x.dim() == 4 && x.size(2) % 2 == 0 && x.size(3) % 2 == 0,
              "DownBlock: x must be [N,C,H,W] with even H and W, got ",
              x.sizes());
  const at::Tensor main =
      conv2_->forward(ConvolveLeaky(conv1_, ConvolveLeaky(conv0_, x)));
  // Not a convolution of stride 2: see the header.
  const at::Tensor every_second =
      x.slice(2, 0, std::nullopt, 2).slice(3, 0, std::nullopt, 2);
  return side_->forward(every_second).add_(main).mul_(std::sqrt(0.5));
}

DiscriminatorImpl::DiscriminatorImpl(const DiscriminatorOptions& options)
    : torch::nn::Module("Discriminator"), options_(options) {
  const absl::Status status = CheckOptions(options);
  TORCH_CHECK(status.ok(), "Discriminator: ", std::string(status.message()));
  int64_t in = kColours;
  for (size_t i = 0; i < options.channels().size(); ++i) {
    blocks_.push_back(register_module("block" + std::to_string(i),
                                      DownBlock(in, options.channels()[i])));
    in = options.channels()[i];
  }
  const int64_t last = LastSize(options);
  fc0_ = register_module("fc0", Linear(in * last * last, options.fc_width()));
  fc1_ = register_module("fc1", Linear(options.fc_width(), 1));
  InitializeKaiming(this);
}

at::Tensor DiscriminatorImpl::forward(const at::Tensor& images) {
  const int64_t size = options_.image_size();
  TORCH_CHECK(images.dim() == 4 && images.size(1) == kColours &&
                  images.size(2) == size && images.size(3) == size,
              "Discriminator: images must be [N,3,", size, ",", size, "], got ",
              images.sizes());
  at::Tensor x = images.contiguous(at::MemoryFormat::ChannelsLast);
  for (DownBlock& block : blocks_) x = block->forward(x);
  x = fc0_->forward(x.flatten(1));
  return fc1_->forward(at::leaky_relu_(x, kLeakySlope)).squeeze(1);
}

int64_t MultiplyAdds(const DiscriminatorOptions& options) {
  int64_t total = 0, in = kColours, pixels = options.image_size();
  pixels *= pixels;
  for (const int64_t out : options.channels()) {
    total += 9 * (in + out) * out * pixels;
    pixels /= 4;
    total += (9 * out + in) * out * pixels;
    in = out;
  }
  return total + (in * pixels + 1) * options.fc_width();
}

}  // namespace ganseg
}  // namespace seg
