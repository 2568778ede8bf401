// The auto-encoders that the paper compares its GAN with (He et al. 2022,
// supplement): an encoder looks at a photograph and says what the generator
// draws, in the place of noise.
//
//   points      (a) U-net, softmax over the pixels of K*n maps, expected places
//   masks       (b) DeepLab V3, softmax over K parts and the background; a
//               part's centre is its mask's, and there are no points
//   w_dynamic   a backbone, the mean over its last map, linear
//   w_bg, u     another such network; u = tanh
//
// With (a) all of the generator is used but the networks of noise, with (b) not
// its masks either. What the supplement leaves open is ours: the U-net's
// widths, how a map becomes a point, and that (b) has codes as (a) has them.
#ifndef GANSEG_ENCODER_H_
#define GANSEG_ENCODER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/backbones/deeplab_v3.h"
#include "common/backbones/resnet.h"
#include "common/backbones/tiny_backbone.h"
#include "common/backbones/unet.h"
#include "ganseg/generator.h"
#include "torch/arg.h"
#include "torch/nn/module.h"
#include "torch/nn/modules/linear.h"
#include "torch/nn/pimpl.h"

namespace seg {
namespace ganseg {

struct EncoderOptions {
  // Of the U-net of (a), finest first.
  TORCH_ARG(std::vector<int64_t>, widths) = {64, 128, 256, 512};
  // Of the codes: resnet18, or tiny for small pictures.
  TORCH_ARG(std::string, backbone) = "resnet18";
  // The network of (b), of parts + 1 classes; without it the encoder is (a)'s.
  TORCH_ARG(std::optional<DeepLabV3Options>, masks) = std::nullopt;
};

// resnet18, tiny: for config checks.
const std::vector<std::string>& CodeBackboneNames();

// images [N,3,H,W], 0..255 -> [N,outputs]. Modules "backbone" and, with tiny,
// "linear"; ResNet-18 has its own. In training mode N >= 2.
class CodeNetworkImpl : public torch::nn::Module {
 public:
  CodeNetworkImpl(const std::string& backbone, int64_t outputs);
  at::Tensor forward(const at::Tensor& images);

 private:
  ResNet resnet_{nullptr};  // one of the two
  TinyBackbone tiny_{nullptr};
  torch::nn::Linear linear_{nullptr};
};
TORCH_MODULE(CodeNetwork);

// Modules "points" (a) or "masks" (b), "appearance", "background". Throws
// c10::Error for options that a network refuses.
class EncoderImpl : public torch::nn::Module {
 public:
  EncoderImpl(const EncoderOptions& options, const GeneratorOptions& generator);

  // What `generator` draws for photographs [N,3,S,S], 0..255, S its image size.
  // Differentiable in the parameters of both. In training mode N >= 2.
  Generated Reconstruct(Generator& generator, const at::Tensor& images);

  // The network of (b), else empty.
  DeepLabV3& masks() { return masks_; }

 private:
  GeneratorOptions generator_;
  UNet points_{nullptr};  // one of the two
  DeepLabV3 masks_{nullptr};
  CodeNetwork appearance_{nullptr}, background_{nullptr};
};
TORCH_MODULE(Encoder);

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_ENCODER_H_
