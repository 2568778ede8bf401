#include "common/layers/zero_unpool/zero_unpool_conv2d.h"

#include <ATen/ATen.h>

#include <array>
#include <cmath>

#include "common/layers/zero_unpool/zero_unpool.h"

namespace seg {

ZeroUnpoolConv2dImpl::ZeroUnpoolConv2dImpl(
    const ZeroUnpoolConv2dOptions& options)
    : torch::nn::Module("ZeroUnpoolConv2d"), options_(options) {
  const int64_t in = options.in_channels(), out = options.out_channels();
  const int64_t k = options.kernel_size();
  TORCH_CHECK(in >= 1 && out >= 1,
              "ZeroUnpoolConv2d: in_channels and out_channels must be at least "
              "1, got ",
              in, " and ", out);
  TORCH_CHECK(k >= 1 && k % 2 == 1,
              "ZeroUnpoolConv2d: kernel_size must be odd, got ", k);
  const double bound = 1.0 / std::sqrt(static_cast<double>(in * k * k));
  weight_ = register_parameter(
      "weight", at::empty({out, in, k, k}).uniform_(-bound, bound));
  bias_ = options.bias() ? register_parameter(
                               "bias", at::empty({out}).uniform_(-bound, bound))
                         : register_parameter("bias", at::Tensor(),
                                              /*requires_grad=*/false);
}

at::Tensor ZeroUnpoolConv2dImpl::forward(const at::Tensor& x) {
  if (options_.fused()) return ZeroUnpoolConvolution(x, weight_, bias_);
  const int64_t p = (options_.kernel_size() - 1) / 2;
  const std::array<int64_t, 2> stride = {1, 1}, padding = {p, p};
  return at::conv2d(ZeroUnpool2d(x), weight_, bias_, stride, padding);
}

}  // namespace seg
