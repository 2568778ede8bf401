// What networks trained on ImageNet expect of images, and what their weight
// files hold beside the backbone.
#ifndef COMMON_BACKBONES_IMAGENET_H_
#define COMMON_BACKBONES_IMAGENET_H_

#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/io/tensor_map.h"

namespace seg {

// RGB 0..255, any strides -> (x - 127) / 128: EfficientNet-Lite.
at::Tensor NormalizeSigned(const at::Tensor& images);

// RGB 0..255 [N,3,H,W] -> ImageNet's mean 0 and deviation 1 by channel
// (torchvision): (x/255 - [.485,.456,.406]) / [.229,.224,.225].
at::Tensor NormalizeImageNet(const at::Tensor& images);

// The tensors whose names begin with none of `prefixes`.
TensorMap WithoutPrefixes(TensorMap tensors,
                          const std::vector<std::string>& prefixes);

// The tensors of the package efficientnet-lite-pytorch but its classifier's
// (_conv_head, _bn1, _fc).
TensorMap WithoutLiteClassifier(TensorMap tensors);

}  // namespace seg

#endif  // COMMON_BACKBONES_IMAGENET_H_
