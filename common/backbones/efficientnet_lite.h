// EfficientNet-Lite 0, 1 and 2 (Tan and Le 2019; the Lite variants of 2020) as
// a feature pyramid, with the structure and the state_dict names of the Python
// package efficientnet-lite-pytorch 0.1.0.
//
//   x [N,3,H,W] --stem 3x3/2--> blocks --> features at strides 2,4,8,16,32
//
//   block (inverted residual):      in, or 1x1 expand x6 | BN | ReLU6
//                                    -> depthwise kxk/s | BN | ReLU6
//                                    -> 1x1 project | BN  [-> drop-connect +
//                                    in]
//
// | variant | channels at strides 2,4,8,16,32 | parameters (with classifier) |
// | 0       | 16, 24, 40, 112, 320            | 3 371 008 (4 652 008)        |
// | 1       | 16, 24, 40, 112, 320            | 4 135 680 (5 416 680)        |
// | 2       | 16, 24, 48, 120, 352            | 4 811 072 (6 092 072)        |
//
// The parameter counts without classifier include the 1x1 head convolution of
// the package; this module has it only with num_classes > 0.
//
// Input: RGB, normalised by (x - 127) / 128 from 0..255 (what the published
// weights were trained with). Any H, W >= 1; a level has ceil(H / stride) rows.
// Padding is TensorFlow's SAME for the actual size (same_conv2d.h).
// Batch norm: eps 1e-3, momentum 0.01. No squeeze-and-excitation.
// Runs in channels_last whatever the layout of x (a training step at 256 x 256,
// batch 8, two threads takes 0.41 s against 0.72 s in NCHW). The returned
// features are in channels_last too.
#ifndef COMMON_BACKBONES_EFFICIENTNET_LITE_H_
#define COMMON_BACKBONES_EFFICIENTNET_LITE_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/backbones/same_conv2d.h"
#include "torch/arg.h"
#include "torch/nn/module.h"
#include "torch/nn/modules/batchnorm.h"
#include "torch/nn/modules/linear.h"
#include "torch/nn/pimpl.h"

namespace seg {

struct EfficientNetLiteOptions {
  explicit EfficientNetLiteOptions(int64_t variant) : variant_(variant) {}
  // 0, 1 or 2.
  TORCH_ARG(int64_t, variant);
  // > 0 adds the classifier (_conv_head, _bn1, _fc) for Classify(); 1000 for
  // the published weights.
  TORCH_ARG(int64_t, num_classes) = 0;
  // Drop-connect probability of a block number i of n: rate * i / n.
  TORCH_ARG(double, drop_connect_rate) = 0.2;
  // 8, 16 or 32. Below 32 the stages that would exceed it keep stride 1 and
  // are dilated, as in resnet.h; there are fewer levels then, and the last has
  // the channels of stride 32 still.
  TORCH_ARG(int64_t, output_stride) = 32;
};

// One inverted residual block; names as in the package.
class MbConvBlockImpl : public torch::nn::Module {
 public:
  MbConvBlockImpl(int64_t in_channels, int64_t out_channels, int64_t expand,
                  int64_t kernel_size, int64_t stride, int64_t dilation,
                  double drop_rate);
  at::Tensor forward(const at::Tensor& x);
  int64_t stride() const { return stride_; }
  int64_t out_channels() const { return out_channels_; }

 private:
  int64_t stride_;
  int64_t out_channels_;
  bool skip_;
  double drop_rate_;
  SameConv2d expand_conv_{nullptr};  // empty when expand == 1
  torch::nn::BatchNorm2d bn0_{nullptr};
  SameConv2d depthwise_conv_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr};
  SameConv2d project_conv_{nullptr};
  torch::nn::BatchNorm2d bn2_{nullptr};
};
TORCH_MODULE(MbConvBlock);

class EfficientNetLiteImpl : public torch::nn::Module {
 public:
  // Throws c10::Error when an option is out of range.
  explicit EfficientNetLiteImpl(const EfficientNetLiteOptions& options);

  // The feature maps, finest (stride 2) first, five with output stride 32: the
  // output of the last block at each stride. Drop-connect and batch statistics
  // in training mode; random numbers come from the default generator, as in the
  // reference.
  std::vector<at::Tensor> forward(const at::Tensor& x);

  // ImageNet logits [N,num_classes]; needs num_classes > 0.
  at::Tensor Classify(const at::Tensor& x);

  // Channels of the levels, finest first.
  const std::vector<int64_t>& channels() const { return channels_; }
  int64_t variant() const { return variant_; }

 private:
  at::Tensor Run(const at::Tensor& x, std::vector<at::Tensor>* features);

  int64_t variant_;
  double dropout_rate_;
  std::vector<int64_t> channels_;
  SameConv2d conv_stem_{nullptr};
  torch::nn::BatchNorm2d bn0_{nullptr};
  std::vector<MbConvBlock> blocks_;
  SameConv2d conv_head_{nullptr};  // empty when num_classes == 0
  torch::nn::BatchNorm2d bn1_{nullptr};
  torch::nn::Linear fc_{nullptr};
};
TORCH_MODULE(EfficientNetLite);

}  // namespace seg

#endif  // COMMON_BACKBONES_EFFICIENTNET_LITE_H_
