// What tests of the model share.
#ifndef CGM_TINY_MODEL_H_
#define CGM_TINY_MODEL_H_

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cstdint>
#include <string>

#include "cgm/model.h"
#include "common/datasets/dataset.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace cgm {

// Widths 2 3 4 4 3 2 2, latent 2; without the noisy layer.
inline ModelConfig Tiny(const std::string& type) {
  ModelConfig config;
  config.type = nlohmann::json(type).get<ModelType>();
  config.width = 1.0 / 32;
  config.latent_channels = 2;
  config.noisy_layer = NoisyLayer::kOff;
  return config;
}

inline at::Tensor RandomMasks(int64_t n, int64_t side, int64_t classes) {
  return at::randint(classes, {n, side, side}, at::kLong);
}

// Away from the zero start of the log-variances, where sigma is 1, KL(q||p) is
// KL(p||q) and half the parameters have no gradient.
inline void PerturbLogVariances(Model* model) {
  const c10::NoGradGuard no_grad;
  for (auto& item : (*model)->named_parameters()) {
    if (item.key().find("log_variance.weight") != std::string::npos) {
      item.value().normal_(0, 0.2);
    } else if (item.key().find("log_variance.bias") != std::string::npos) {
      item.value().normal_(-1, 0.5);
    }
  }
}

// In eval mode, prior and recognition network with spreads of their own.
inline Model MakeModel(const std::string& type, int64_t classes = 2) {
  at::manual_seed(1);
  ModelConfig config = Tiny(type);
  config.noisy_layer = NoisyLayer::kAuto;
  Model model(config, classes);
  {
    const c10::NoGradGuard no_grad;
    for (auto& item : model->named_parameters()) {
      if (item.key().find("log_variance.bias") != std::string::npos) {
        item.value().normal_(-1, 0.5);
      }
    }
  }
  model->eval();
  return model;
}

// Random pictures.
inline Batch Images(int64_t n) {
  Batch batch;
  batch.images = 255 * at::rand({n, 3, 32, 32});
  return batch;
}

}  // namespace cgm
}  // namespace seg

#endif  // CGM_TINY_MODEL_H_
