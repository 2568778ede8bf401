// A small backbone that trains from scratch in seconds: demos and tests.
//
//   x [N,3,H,W] -> conv 3x3/2 -> (conv 3x3/2, conv 3x3) -> (conv 3x3/2,
//   conv 3x3) -> features at strides 2, 4, 8 with 16, 32, 48 channels
//
// Output stride 4 or 2: the convolutions that would exceed it keep stride 1 and
// those behind them are dilated, as in resnet.h; the parameters are the same
// and the last map has 48 channels still.
//
// Every convolution is followed by batch norm (eps 1e-5, momentum 0.1) and
// ReLU; padding 1, so a level has ceil(H / stride) rows. He initialisation.
// 49 168 parameters. Same input normalisation as EfficientNet-Lite. Runs in
// channels_last.
#ifndef COMMON_BACKBONES_TINY_BACKBONE_H_
#define COMMON_BACKBONES_TINY_BACKBONE_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "torch/nn/module.h"
#include "torch/nn/modules/batchnorm.h"
#include "torch/nn/modules/conv.h"
#include "torch/nn/pimpl.h"

namespace seg {

class TinyBackboneImpl : public torch::nn::Module {
 public:
  // output_stride: 2, 4 or 8.
  explicit TinyBackboneImpl(int64_t output_stride = 8);
  // The feature maps at strides 2, 4, .. output_stride, finest first.
  std::vector<at::Tensor> forward(const at::Tensor& x);
  // Channels of these maps.
  const std::vector<int64_t>& channels() const { return channels_; }

 private:
  std::vector<int64_t> channels_;
  std::vector<torch::nn::Conv2d> convs_;     // "conv0" .. "conv4"
  std::vector<torch::nn::BatchNorm2d> bns_;  // "bn0" .. "bn4"
};
TORCH_MODULE(TinyBackbone);

}  // namespace seg

#endif  // COMMON_BACKBONES_TINY_BACKBONE_H_
