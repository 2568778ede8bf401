// Module: unpooling by zero insertion (zero_unpool.h) and the "same"
// convolution after it.
//
//   x [N,C_in,H,W] -> [N,C_out,2H,2W]
//
// Parameters are the convolution's own, "weight" [C_out,C_in,k,k] and "bias"
// [C_out], with or without `fused`: a checkpoint fits both. Initial values are
// those of torch::nn::Conv2d.

#ifndef COMMON_LAYERS_ZERO_UNPOOL_ZERO_UNPOOL_CONV2D_H_
#define COMMON_LAYERS_ZERO_UNPOOL_ZERO_UNPOOL_CONV2D_H_

#include <ATen/core/Tensor.h>
#include <torch/arg.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

namespace seg {

struct ZeroUnpoolConv2dOptions {
  ZeroUnpoolConv2dOptions(int64_t in_channels, int64_t out_channels,
                          int64_t kernel_size)
      : in_channels_(in_channels),
        out_channels_(out_channels),
        kernel_size_(kernel_size) {}
  TORCH_ARG(int64_t, in_channels);
  TORCH_ARG(int64_t, out_channels);
  TORCH_ARG(int64_t, kernel_size);  // odd
  TORCH_ARG(bool, bias) = true;
  // Off: the two steps one after the other, the reference.
  TORCH_ARG(bool, fused) = true;
};

class ZeroUnpoolConv2dImpl : public torch::nn::Module {
 public:
  explicit ZeroUnpoolConv2dImpl(const ZeroUnpoolConv2dOptions& options);

  at::Tensor forward(const at::Tensor& x);

  at::Tensor& weight() { return weight_; }
  at::Tensor& bias() { return bias_; }  // undefined without bias
  const ZeroUnpoolConv2dOptions& options() const { return options_; }

 private:
  ZeroUnpoolConv2dOptions options_;
  at::Tensor weight_;
  at::Tensor bias_;
};
TORCH_MODULE(ZeroUnpoolConv2d);

}  // namespace seg

#endif  // COMMON_LAYERS_ZERO_UNPOOL_ZERO_UNPOOL_CONV2D_H_
