// SegNet (Cogswell et al. 2014): an image to a coarse map of class scores. (Not
// the later encoder-decoder of that name.)
//
//   images [N,3,H,W] -> the trunk's input size -> trunk: [N,F,g,g]
//     -> conv6 k x k, width, ReLU -> conv7 k x k, width, ReLU
//     -> conv8 k x k, C: scores [N,C,g,g], before the softmax over C
//
// In training a dropout comes before each of conv6, conv7 and conv8, element
// by element; the paper places it "before" the three maps and gives no rate and
// no k. Padding keeps the grid.
//
// | trunk              | F   | input   | parameters, C = 21 | weights         |
// | efficientnet_lite0 | 320 | 16 g    | 3,499,413          | imagenet, file  |
// | caffenet           | 256 | 16 g+19 | 2,800,917          | file            |
// | tiny               | 48  | 8 g     | 276,389            | from scratch    |
//
// caffenet with g = 13 (227 pixels) is the paper's network; its weights do not
// come with this repository. efficientnet_lite0 has output stride 16, reached
// by dilation (efficientnet_lite.h), which keeps its ImageNet weights valid.
#ifndef SEGNET_RERANK_SEGNET_H_
#define SEGNET_RERANK_SEGNET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/backbones/caffenet.h"
#include "common/backbones/efficientnet_lite.h"
#include "common/backbones/tiny_backbone.h"
#include "common/config/config.h"
#include "nlohmann/json.hpp"
#include "torch/nn/module.h"
#include "torch/nn/modules/conv.h"
#include "torch/nn/pimpl.h"

namespace seg {
namespace segnet_rerank {

enum class Trunk { kEfficientNetLite0, kCaffeNet, kTiny };
SEG_DECLARE_ENUM(Trunk)

struct SegNetConfig {
  Trunk trunk = Trunk::kEfficientNetLite0;
  // Where the trunk starts from: "" (random), "imagenet" (efficientnet_lite0;
  // fetched by the build) or a .pth or .safetensors file.
  std::string weights = "imagenet";
  // Keep the trunk as its weights have it, as the paper does. A trunk that
  // starts at random trains whatever this says.
  bool freeze_trunk = true;
  int64_t grid = 13;
  int64_t width = 128;  // channels of conv6 and conv7
  // k, odd. 3 is the least with which a cell of caffenet sees the whole image;
  // 9 has more than the 10 % of CaffeNet's parameters that the paper allows.
  int64_t kernel = 3;
  double dropout = 0.5;

  static std::vector<KeyRule> Rules();
};
SEG_DECLARE_CONFIG(SegNetConfig)

// A usage error for what Rules() cannot say: an even kernel.
absl::Status CheckConfig(const SegNetConfig& config);

// Whether the trunk stays as its weights have it.
inline bool TrunkIsFrozen(const SegNetConfig& config) {
  return config.freeze_trunk && !config.weights.empty();
}

class SegNet;

// Modules "trunk", "conv6", "conv7", "conv8".
class SegNetImpl : public torch::nn::Module {
 public:
  // Throws c10::Error for options out of range. Initial values come from the
  // default generator: He normal, fan-in, for conv6 and conv7; deviation 0.01
  // for conv8, so that all classes are about equally probable at first. Loads
  // nothing (LoadTrunk). Deep copies by clone() are not supported.
  SegNetImpl(const SegNetConfig& config, int64_t classes);

  // images: float [N,3,H,W] of the module's type, RGB 0..255, any strides and
  // any H, W >= 1: the whole image is resized to input_size() x input_size()
  // (bilinear, align_corners = false, with antialiasing where it shrinks), so
  // that cells are equal parts of the whole image, as in coarse.h. A constant.
  //   returns: scores [N,C,g,g], contiguous. Dropout draws from the default
  //     generator.
  at::Tensor forward(const at::Tensor& images);

  // The two halves of it. Features of a frozen trunk are a function of the
  // image alone, without gradients: compute them once for many epochs or
  // folds, or pool them for whole-image classifiers.
  at::Tensor Features(const at::Tensor& images);   // [N,F,g,g]
  at::Tensor FromFeatures(const at::Tensor& map);  // [N,F,h,w] -> [N,C,h,w]

  // The layout that Features gives. Kept features that are brought into it have
  // the scores of forward() bit by bit.
  at::MemoryFormat feature_layout() const;

  // A frozen trunk stays in eval mode: its running statistics stand still.
  void train(bool on = true) override;

  // What learns: conv6 .. conv8; the trunk's, empty where it is frozen.
  std::vector<at::Tensor> head_parameters() const;
  std::vector<at::Tensor> trunk_parameters() const;

  bool frozen() const { return frozen_; }
  int64_t input_size() const { return input_size_; }
  int64_t feature_channels() const { return feature_channels_; }  // F
  int64_t classes() const { return classes_; }
  const SegNetConfig& config() const { return config_; }

 private:
  friend absl::Status LoadTrunk(SegNet* net);
  at::Tensor RunTrunk(const at::Tensor& images);

  SegNetConfig config_;
  int64_t classes_;
  bool frozen_;
  int64_t input_size_ = 0;
  int64_t feature_channels_ = 0;
  std::shared_ptr<torch::nn::Module> trunk_;  // that of the three that is there
  EfficientNetLite lite_{nullptr};
  CaffeNet caffenet_{nullptr};
  TinyBackbone tiny_{nullptr};
  torch::nn::Conv2d conv6_{nullptr}, conv7_{nullptr}, conv8_{nullptr};
};
TORCH_MODULE(SegNet);

// Loads what config().weights names into the trunk: caffenet.h and pretrained.h
// say what files hold. Errors name the file; nothing is changed then. A usage
// error where the trunk has no such weights: imagenet for another than
// efficientnet_lite0, any for tiny.
absl::Status LoadTrunk(SegNet* net);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_SEGNET_H_
