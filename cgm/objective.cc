#include "cgm/objective.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <string>

#include "common/losses/soft_cross_entropy.h"

namespace seg {
namespace cgm {
namespace {

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
    if (model->samples()) objective.sigma_prior = MeanSigma(p);
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
      if (config.type == ModelType::kHybrid) {
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

}  // namespace cgm
}  // namespace seg
