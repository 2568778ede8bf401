#include "cgm/objective.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/losses/soft_cross_entropy.h"

namespace seg {
namespace cgm {
namespace {

constexpr int64_t kReadEvery = 10;  // updates between looks at the device

at::Tensor Draw(const DiagonalGaussian& distribution) {
  return SampleGaussian(distribution, at::randn_like(distribution.mean));
}

at::Tensor MeanSigma(const DiagonalGaussian& distribution) {
  return StandardDeviation(distribution).detach().mean();
}

}  // namespace

std::vector<std::pair<std::string, at::Tensor>> Objective::Logged() const {
  std::vector<std::pair<std::string, at::Tensor>> logged;
  const auto add = [&](const char* name, const at::Tensor& value) {
    if (value.defined()) logged.emplace_back(name, value);
  };
  add("cross_entropy", cross_entropy);
  add("kl", kl);
  add("sigma_p", sigma_prior);
  add("sigma_q", sigma_recognition);
  add("latents_in_use", latents_in_use);
  return logged;
}

Objective ComputeObjective(Model& model, const at::Tensor& x,
                           const at::Tensor& target) {
  const ModelConfig& config = model->config();
  TORCH_CHECK(target.dim() == 4 && target.size(0) == x.size(0) &&
                  target.size(1) == model->classes() &&
                  target.size(2) == x.size(2) && target.size(3) == x.size(3),
              "ComputeObjective: target must be [", x.size(0), ",",
              model->classes(), ",", x.size(2), ",", x.size(3), "], got ",
              target.sizes());
  const double images = static_cast<double>(std::max<int64_t>(1, x.size(0)));
  const CnnScores cnn = model->RunCnn(x, config.multi_scale);
  Objective objective;
  at::Tensor full;  // cross-entropy at full resolution
  if (!model->has_latent()) {
    full = SoftCrossEntropySum(cnn.full, target);
    objective.loss = full;
  } else {
    const auto cross_entropy = [&](const at::Tensor& z) {
      return SoftCrossEntropySum(cnn.full + model->Generate(z), target);
    };
    const DiagonalGaussian p = model->Prior(x, cnn.full);
    objective.sigma_prior = MeanSigma(p);
    if (!model->has_recognition()) {
      full = cross_entropy(model->samples() ? Draw(p) : p.mean);
      objective.loss = full;
    } else {
      const DiagonalGaussian q = model->Recognition(x, target);
      const at::Tensor latents = KlByComponent(q, p);
      const at::Tensor kl = latents.sum();
      objective.kl = kl.detach() / images;
      objective.latents_in_use = LatentsInUse(latents.detach().mean(0));
      objective.sigma_recognition = MeanSigma(q);
      full = cross_entropy(Draw(q));
      objective.loss = kl + full;
      if (config.type == "hybrid") {
        const at::Tensor from_prior = cross_entropy(Draw(p));
        full = config.alpha * full + (1 - config.alpha) * from_prior;
        objective.loss = config.alpha * kl + full;
      }
    }
  }
  objective.cross_entropy = full.detach() / images;
  if (cnn.half.defined()) {
    objective.loss =
        objective.loss +
        SoftCrossEntropySum(cnn.half, LabelPyramidDown(target)) +
        SoftCrossEntropySum(cnn.quarter, LabelPyramidDown(target, 2));
  }
  return objective;
}

at::Tensor LatentsInUse(const at::Tensor& kl) {
  return kl.gt(kLatentInUse).to(at::kFloat).mean();
}

at::Tensor OmittedPixels(int64_t n, int64_t height, int64_t width,
                         int64_t block, double omitted,
                         const at::Generator& generator) {
  const int64_t rows = (height + block - 1) / block;
  const int64_t columns = (width + block - 1) / block;
  const std::optional<at::Generator> source =
      generator.defined() ? std::optional<at::Generator>(generator)
                          : std::nullopt;
  return at::rand({n, rows, columns}, source)
      .lt(omitted)
      .repeat_interleave(block, 1)
      .repeat_interleave(block, 2)
      .narrow(1, 0, height)
      .narrow(2, 0, width);
}

at::Tensor Corrupt(const at::Tensor& images, const CorruptionConfig& config) {
  if (config.type == "none") return images;
  const int64_t n = images.size(0), height = images.size(2),
                width = images.size(3);
  if (config.type == "blocks") {
    return images.masked_fill(
        OmittedPixels(n, height, width, config.block, config.omitted)
            .to(images.device())
            .unsqueeze(1),
        0);
  }
  const double u = at::rand({}).item<double>();
  const int64_t side =
      std::min({height, width,
                static_cast<int64_t>(std::llround(static_cast<double>(height) *
                                                  u * config.max_side))});
  at::Tensor corrupted = images.clone();
  if (side == 0) return corrupted;
  const at::Tensor place = at::rand({n, 2}, at::kDouble);
  for (int64_t i = 0; i < n; ++i) {
    const auto start = [&](int64_t axis, int64_t size) {
      return static_cast<int64_t>(place[i][axis].item<double>() *
                                  static_cast<double>(size - side + 1));
    };
    corrupted[i]
        .narrow(1, start(0, height), side)
        .narrow(2, start(1, width), side)
        .zero_();
  }
  return corrupted;
}

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
  if (model.noisy_layer == "off") {
    return message +
           "train with model.noisy_layer=on, the authors' Gaussian layer 4";
  }
  return message +
         "model.noisy_layer is on already: train longer, raise "
         "corruption.max_side, or take another --seed";
}

}  // namespace cgm
}  // namespace seg
