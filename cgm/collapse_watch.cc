#include "cgm/collapse_watch.h"

#include <ATen/ATen.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace seg {
namespace cgm {
namespace {

constexpr int64_t kReadEvery = 10;  // updates between looks at the device

}  // namespace

bool CollapseWatch::Update(const at::Tensor& kl) {
  if (warned_) return false;
  const at::Tensor below = kl.lt(config_.kl).to(at::kLong);
  in_a_row_ = in_a_row_.defined() ? (in_a_row_ + 1) * below : below;
  longest_ = longest_.defined() ? at::maximum(longest_, in_a_row_) : in_a_row_;
  if (kl.is_cuda() && ++calls_ % kReadEvery != 0) return false;
  warned_ = longest_.item<int64_t>() >= config_.updates;
  return warned_;
}

std::string CollapseWatch::Message(const ModelConfig& model) const {
  std::string message = absl::StrCat(
      "KL(q||p) stayed below ", config_.kl, " nat for ", config_.updates,
      " updates: the latent carries nothing and the model is its CNN; ");
  if (model.noisy_layer == NoisyLayer::kOff) {
    return message +
           "train with model.noisy_layer=on, the authors' Gaussian layer 4";
  }
  return message +
         "model.noisy_layer is on already: train longer, raise "
         "corruption.max_side, or take another --seed";
}

}  // namespace cgm
}  // namespace seg
