#include "common/backbones/same_conv2d.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "ATen/ATen.h"

namespace seg {
namespace {

// Rows (or columns) of padding on both sides together.
int64_t TotalPadding(int64_t size, int64_t extent, int64_t stride) {
  const int64_t out = (size + stride - 1) / stride;
  return std::max<int64_t>((out - 1) * stride + extent - size, 0);
}

}  // namespace

SameConv2dImpl::SameConv2dImpl(const SameConv2dOptions& options)
    : torch::nn::Module("SameConv2d"), options_(options) {
  const int64_t in_per_group = options.in_channels() / options.groups();
  const int64_t k = options.kernel_size();
  const double bound = 1.0 / std::sqrt(static_cast<double>(in_per_group) *
                                       static_cast<double>(k * k));
  weight_ = register_parameter(
      "weight", at::empty({options.out_channels(), in_per_group, k, k})
                    .uniform_(-bound, bound));
}

at::Tensor SameConv2dImpl::forward(const at::Tensor& x) const {
  const int64_t s = options_.stride(), d = options_.dilation();
  const int64_t extent = d * (options_.kernel_size() - 1) + 1;
  const int64_t pad_h = TotalPadding(x.size(2), extent, s);
  const int64_t pad_w = TotalPadding(x.size(3), extent, s);
  // An even total is symmetric, and the convolution pads by itself; only an odd
  // one (stride 2) costs a padded copy of the input.
  const bool symmetric = pad_h % 2 == 0 && pad_w % 2 == 0;
  const std::array<int64_t, 2> stride = {s, s};
  const std::array<int64_t, 2> dilation = {d, d};
  std::array<int64_t, 2> padding = {0, 0};
  if (symmetric) padding = {pad_h / 2, pad_w / 2};
  return at::conv2d(
      symmetric ? x
                : at::constant_pad_nd(x, {pad_w / 2, pad_w - pad_w / 2,
                                          pad_h / 2, pad_h - pad_h / 2}),
      weight_, /*bias=*/{}, at::IntArrayRef(stride), at::IntArrayRef(padding),
      at::IntArrayRef(dilation), options_.groups());
}

}  // namespace seg
