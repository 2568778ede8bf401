#include "common/backbones/imagenet.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "ATen/ATen.h"
#include "absl/strings/match.h"

namespace seg {

at::Tensor NormalizeSigned(const at::Tensor& images) {
  return images.sub(127).mul_(1.0 / 128);
}

at::Tensor NormalizeImageNet(const at::Tensor& images) {
  const auto row = [&](double r, double g, double b) {
    return at::tensor({r, g, b}, images.options().requires_grad(false))
        .view({1, 3, 1, 1});
  };
  return images.sub(row(0.485 * 255, 0.456 * 255, 0.406 * 255))
      .div_(row(0.229 * 255, 0.224 * 255, 0.225 * 255));
}

TensorMap WithoutPrefixes(TensorMap tensors,
                          const std::vector<std::string>& prefixes) {
  for (auto it = tensors.begin(); it != tensors.end();) {
    const bool drop = std::any_of(prefixes.begin(), prefixes.end(),
                                  [&](const std::string& prefix) {
                                    return absl::StartsWith(it->first, prefix);
                                  });
    it = drop ? tensors.erase(it) : std::next(it);
  }
  return tensors;
}

TensorMap WithoutLiteClassifier(TensorMap tensors) {
  return WithoutPrefixes(std::move(tensors), {"_conv_head.", "_bn1.", "_fc."});
}

}  // namespace seg
