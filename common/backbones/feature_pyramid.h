// ImageNet backbones as feature pyramids, for networks that read several levels
// of one.
#ifndef COMMON_BACKBONES_FEATURE_PYRAMID_H_
#define COMMON_BACKBONES_FEATURE_PYRAMID_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/backbones/efficientnet_lite.h"
#include "common/backbones/vgg16.h"
#include "torch/nn/module.h"
#include "torch/nn/pimpl.h"

namespace seg {

// efficientnet_lite0 .. 2 and vgg16.
const std::vector<std::string>& FeaturePyramidNames();

class FeaturePyramid;

class FeaturePyramidImpl : public torch::nn::Module {
 public:
  // Throws c10::Error for a name not in FeaturePyramidNames(). VGG-16 pools by
  // 3x3 squares, as the released SPN for PASCAL VOC does.
  explicit FeaturePyramidImpl(const std::string& backbone);

  // images: [N,3,H,W] RGB 0..255, any H, W >= 1 and strides. The maps at
  // strides 2, 4, 8, 16 and 32, finest first, of channels()[i] x
  // ceil(H / stride) x ceil(W / stride). Normalises inside.
  std::vector<at::Tensor> forward(const at::Tensor& images);

  const std::vector<int64_t>& channels() const { return channels_; }
  const std::string& backbone() const { return backbone_; }

 private:
  friend absl::Status LoadBackboneWeights(FeaturePyramid& pyramid,
                                          const std::string& path);
  std::string backbone_;
  std::vector<int64_t> channels_;
  EfficientNetLite lite_{nullptr};  // one of the two
  Vgg16 vgg_{nullptr};
};
TORCH_MODULE(FeaturePyramid);

// Loads a .pth or .safetensors file: the package efficientnet-lite-pytorch's,
// or torchvision's vgg16; their classifiers are passed over. Errors name the
// file and what did not agree.
absl::Status LoadBackboneWeights(FeaturePyramid& pyramid,
                                 const std::string& path);

}  // namespace seg

#endif  // COMMON_BACKBONES_FEATURE_PYRAMID_H_
