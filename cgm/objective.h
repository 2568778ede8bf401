// What the models are trained on (Sohn et al. 2015, section 4), per batch, as
// sums over pixels and images, to be minimised. ll is the log-likelihood of the
// true labels, summed over labelled pixels:
//
//   cnn     -ll(a)
//   gdnn    -ll(a + g(mean of p))
//   gsnn    -ll(a + g(z)),                    z ~ p(z|x)
//   cvae    KL(q||p) - ll(a + g(z)),          z ~ q(z|x,y)
//   hybrid  alpha * cvae + (1 - alpha) * gsnn
//
// and, with multi_scale, the cross-entropies of the CNN's scores at 1/2 and 1/4
// with soft targets (max-pooled one-hot labels, normalised), counted once.
#ifndef CGM_OBJECTIVE_H_
#define CGM_OBJECTIVE_H_

#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "cgm/config.h"
#include "cgm/model.h"

namespace seg {
namespace cgm {

struct Objective {
  at::Tensor loss;  // scalar
  // Detached parts, each a mean over the images; undefined where the type has
  // none.
  at::Tensor cross_entropy;  // at full resolution; hybrid: the mixture
  at::Tensor kl;
  at::Tensor sigma_prior, sigma_recognition;  // mean standard deviations
  at::Tensor latents_in_use;  // share with a KL above kLatentInUse nats

  // Names and values of what is defined.
  std::vector<std::pair<std::string, at::Tensor>> Logged() const;
};

// A latent is in use when its KL, averaged over the batch, exceeds this.
constexpr double kLatentInUse = 0.01;  // nats
// Their share; kl: mean KL of each latent. Scalar.
at::Tensor LatentsInUse(const at::Tensor& kl);

// x: as Model::Prepare gives it (corrupted or not). target: one-hot [N,C,H,W],
// zero vectors at void pixels, which have no part in the loss. Noise comes from
// the device's default generator.
Objective ComputeObjective(Model& model, const at::Tensor& x,
                           const at::Tensor& target);

}  // namespace cgm
}  // namespace seg

#endif  // CGM_OBJECTIVE_H_
