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

#include "ATen/core/Generator.h"
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

// Black pixels in training images [N,3,H,W]: a new tensor. Draws from the CPU's
// default generator: for `square` one side round(H u max_side), u uniform on
// [0,1), for the batch and a position inside the image for each image; for
// `blocks` each block of block x block pixels (cut at the borders) of each
// image with probability `omitted`.
at::Tensor Corrupt(const at::Tensor& images, const CorruptionConfig& config);

// Which pixels Corrupt(blocks) makes black: bool [n,height,width] on the CPU.
// generator: undefined for the default one.
at::Tensor OmittedPixels(int64_t n, int64_t height, int64_t width,
                         int64_t block, double omitted,
                         const at::Generator& generator = {});

// Says once when KL(q||p) stays below `kl` nats for `updates` in a row.
class CollapseWatch {
 public:
  explicit CollapseWatch(const CollapseConfig& config) : config_(config) {}
  // kl: scalar tensor, mean over the batch. True at the call at which the
  // warning is due. On a GPU the count is read at every tenth call only.
  bool Update(const at::Tensor& kl);
  // The warning: what was seen and what helps.
  std::string Message(const ModelConfig& model) const;

 private:
  CollapseConfig config_;
  at::Tensor in_a_row_, longest_;
  int64_t calls_ = 0;
  bool warned_ = false;
};

}  // namespace cgm
}  // namespace seg

#endif  // CGM_OBJECTIVE_H_
