// A conditional generative model of label maps: p(y|x) = sum over z of
// p(y|x,z) p(z|x), pixels independent given x and z.
//
//                 +--------------- a ---------------+
//   x --> Cnn ----+-- softmax(2 a) --> Prior --> z --> Generator --> g
//   x, y (training) --> Recognition ---------> z      p(y|x,z): softmax(a + g)
//
// Sohn, Lee, Yan, "Learning Structured Output Representation using Deep
// Conditional Generative Models", NIPS 2015. The types:
//   cnn     a alone
//   gdnn    z = mean of the prior
//   gsnn    z from the prior; no recognition network
//   cvae    z from the recognition network in training, from the prior in use
//   hybrid  both of the last two
#ifndef CGM_MODEL_H_
#define CGM_MODEL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "cgm/config.h"
#include "cgm/networks.h"
#include "common/datasets/dataset.h"
#include "torch/nn/module.h"
#include "torch/nn/pimpl.h"

namespace seg {
namespace cgm {

class ModelImpl : public torch::nn::Module {
 public:
  ModelImpl(const ModelConfig& config, int64_t classes);

  // images: [N,3,H,W] RGB 0..255 -> the same over 255, as the functions below
  // take it. Throws where a side is no multiple of 16, naming it.
  at::Tensor Prepare(const at::Tensor& images) const;

  CnnScores RunCnn(const at::Tensor& x, bool low_resolution = false);
  // p(z|x), a: the CNN's scores [N,C,H,W]. Only where has_latent().
  DiagonalGaussian Prior(const at::Tensor& x, const at::Tensor& a);
  // q(z|x,y), target: one-hot labels [N,C,H,W]. Only where has_recognition().
  DiagonalGaussian Recognition(const at::Tensor& x, const at::Tensor& target);
  // g [N,C,H,W] of z [N,latent,H/16,W/16]. Only where has_latent().
  at::Tensor Generate(const at::Tensor& z);

  bool has_latent() const { return !generator_.is_empty(); }
  bool has_recognition() const { return !recognition_.is_empty(); }
  bool samples() const { return samples_; }  // gsnn, cvae, hybrid
  bool noisy_layer() const { return noisy_; }
  int64_t classes() const { return classes_; }
  const ModelConfig& config() const { return config_; }

 private:
  ModelConfig config_;
  int64_t classes_;
  bool samples_, noisy_;
  Cnn cnn_{nullptr};
  Encoder prior_{nullptr}, recognition_{nullptr};
  Generator generator_{nullptr};
};
TORCH_MODULE(Model);

// What the configuration asks of the data: the number of classes where
// model.classes names it, and a foreground class that is there. InvalidArgument
// names key, expected and got.
absl::Status CheckClasses(const Config& config, const DatasetInfo& info);

// masks: int64 [N,H,W] -> one-hot [N,C,H,W] of `dtype`; all zero where the mask
// holds the ignore label.
at::Tensor OneHot(const at::Tensor& masks, int64_t classes,
                  at::ScalarType dtype = at::kFloat);

// Multiply-adds of a test forward pass of one image, by the layers' sizes:
// convolutions behind an unpooling count whole (fused: a quarter, the products
// with what is not inserted zero).
struct Cost {
  int64_t cnn = 0, prior = 0, generator = 0;
  int64_t total() const { return cnn + prior + generator; }
};
Cost MultiplyAdds(const ModelConfig& config, int64_t classes, int64_t height,
                  int64_t width, bool fused);

}  // namespace cgm
}  // namespace seg

#endif  // CGM_MODEL_H_
