// Feature vectors of whole images, for the Frechet distance between two sets of
// them (common/metrics/frechet_distance.h).
#ifndef COMMON_BACKBONES_IMAGE_FEATURES_H_
#define COMMON_BACKBONES_IMAGE_FEATURES_H_

#include <cstdint>
#include <functional>
#include <string>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "c10/core/Device.h"

namespace seg {

class ImageFeatures {
 public:
  // EfficientNet-Lite0 with its ImageNet weights: images are resized to
  // 224 x 224 (bilinear, align_corners = false), features are the means of the
  // last map, [N,320].
  static absl::StatusOr<ImageFeatures> EfficientNetLite0(c10::Device device);

  // A TorchScript file with the interface of inception-2015-12-05.pt (of
  // StyleGAN2-ADA; the network that FID means): forward(uint8 [N,3,H,W],
  // return_features = true) -> [N,F], which resizes by itself. Errors name the
  // file.
  static absl::StatusOr<ImageFeatures> Inception(const std::string& path,
                                                 c10::Device device);

  // Of the distance: "frechet_efficientnet_lite0" or "fid".
  const std::string& distance_name() const { return distance_name_; }

  // images: float32 [N,3,H,W], 0..255, any device, N >= 1. returns: float32
  // [N,F] on the network's device. As pictures in a file, images are rounded to
  // whole values first.
  at::Tensor operator()(const at::Tensor& images) const;

 private:
  std::string distance_name_;
  std::function<at::Tensor(const at::Tensor& pixels)> network_;
};

}  // namespace seg

#endif  // COMMON_BACKBONES_IMAGE_FEATURES_H_
