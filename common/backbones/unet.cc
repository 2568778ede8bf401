#include "common/backbones/unet.h"

#include <ATen/ATen.h>

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace seg {

torch::nn::Conv2d MakeConv(int64_t in, int64_t out, int64_t kernel,
                           int64_t stride, bool bias) {
  torch::nn::Conv2d conv(torch::nn::Conv2dOptions(in, out, kernel)
                             .stride(stride)
                             .padding((kernel - 1) / 2)
                             .bias(bias));
  const at::NoGradGuard no_grad;
  conv->weight.normal_(
      0, std::sqrt(2.0 / static_cast<double>(in * kernel * kernel)));
  if (bias) conv->bias.zero_();
  return conv;
}

at::Tensor ResizeTo(const at::Tensor& x, int64_t height, int64_t width) {
  if (x.size(2) == height && x.size(3) == width) return x;
  return at::upsample_bilinear2d(x, {height, width}, /*align_corners=*/false);
}

void ScaleLast(double factor, torch::nn::Conv2d* conv,
               torch::nn::BatchNorm2d* norm) {
  const at::NoGradGuard no_grad;
  if (!norm->is_empty()) {
    (*norm)->weight.mul_(factor);
    (*norm)->bias.mul_(factor);
  } else {
    (*conv)->weight.mul_(factor);
    (*conv)->bias.mul_(factor);
  }
}

namespace {

at::Tensor Pool(const at::Tensor& x) {
  return at::max_pool2d(x, 2, 2, 0, 1, /*ceil_mode=*/true);
}

}  // namespace

UNetImpl::UNetImpl(const UNetOptions& options) : options_(options) {
  const std::vector<int64_t>& widths = options.widths();
  const size_t levels = widths.size();
  TORCH_CHECK(levels >= (options.half_resolution() ? 2 : 1),
              "UNet: expected at least ", options.half_resolution() ? 2 : 1,
              " widths, got ", levels);
  int64_t in = options.in_channels();
  for (size_t i = 0; i < levels; ++i) {
    encoder_.push_back(MakeBlock(absl::StrCat("encoder", i), in, widths[i]));
    in = widths[i];
  }
  // Encoder maps at or above the output's resolution have no decoder level.
  const size_t first =
      (options.pool_first() ? 1 : 0) + (options.half_resolution() ? 1 : 0);
  for (size_t i = levels - 1; i-- > first;) {
    decoder_.push_back(MakeBlock(absl::StrCat("decoder", i), in, widths[i]));
    in = widths[i];
  }
  output_ =
      register_module("output", MakeConv(in, options.out_channels(), 3, 1,
                                         /*bias=*/!options.output_norm()));
  if (options.output_norm()) {
    output_norm_ = register_module(
        "output_norm", torch::nn::BatchNorm2d(options.out_channels()));
  }
}

UNetImpl::Block UNetImpl::MakeBlock(const std::string& name, int64_t in,
                                    int64_t out) {
  Block block;
  block.conv = register_module(
      name, MakeConv(in, out, 3, 1, /*bias=*/!options_.batch_norm()));
  if (options_.batch_norm()) {
    block.norm = register_module(name + "_norm", torch::nn::BatchNorm2d(out));
  }
  return block;
}

at::Tensor UNetImpl::Run(Block& block, const at::Tensor& x) {
  at::Tensor y = block.conv->forward(x);
  if (!block.norm.is_empty()) y = block.norm->forward(y);
  return options_.elu() ? at::elu(y) : at::relu(y);
}

at::Tensor UNetImpl::forward(const at::Tensor& x) {
  TORCH_CHECK(x.dim() == 4 && x.size(1) == options_.in_channels(),
              "UNet: x must be [N,", options_.in_channels(), ",H,W], got ",
              x.sizes());
  std::vector<at::Tensor> maps;
  at::Tensor y = x.contiguous(at::MemoryFormat::ChannelsLast);
  for (size_t i = 0; i < encoder_.size(); ++i) {
    if (options_.pool_first() && i > 0) y = Pool(y);
    y = Run(encoder_[i], y);
    if (!options_.pool_first()) y = Pool(y);
    maps.push_back(y);
  }
  for (size_t k = 0; k < decoder_.size(); ++k) {
    const at::Tensor& skip = maps[maps.size() - 2 - k];
    y = Run(decoder_[k], ResizeTo(y, skip.size(2), skip.size(3))) + skip;
  }
  const int64_t divisor = options_.half_resolution() ? 2 : 1;
  y = output_->forward(ResizeTo(y, (x.size(2) + divisor - 1) / divisor,
                                (x.size(3) + divisor - 1) / divisor));
  return output_norm_.is_empty() ? y : output_norm_->forward(y);
}

}  // namespace seg
