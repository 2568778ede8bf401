// Label maps from a trained model: deterministic, averaged over samples, by
// path, over an ensemble.
//
//   deterministic  softmax(a + g(mean of p(z|x)))
//   averaged       (1 / S) sum_s softmax(a + g(z_s)), z_s ~ p(z|x)
//   paths          cnn: softmax(2 a), gen: softmax(2 g), both: softmax(a + g)
//                  (2: guess_scale; the type cnn: softmax(a))
//   ensemble       mean over models
#ifndef CGM_INFERENCE_H_
#define CGM_INFERENCE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Generator.h"
#include "ATen/core/Tensor.h"
#include "cgm/config.h"
#include "cgm/model.h"
#include "common/datasets/dataset.h"
#include "common/evaluation/predictor.h"

namespace seg {
namespace cgm {

// A source of random numbers on the CPU, a function of `key`.
at::Generator MakeGenerator(uint64_t key);

// Standard normal noise of the shape of `like`, drawn on the CPU and moved to
// its device.
at::Tensor Noise(const at::Tensor& like, at::Generator& generator);

// The distribution of one image ([1,...]) for each of n samples: [n,...],
// views.
DiagonalGaussian Rows(const DiagonalGaussian& distribution, int64_t n);

// z that are decoded at once: bounds the memory, not the result.
constexpr int64_t kDecodedAtOnce = 16;

// Class probabilities [N,C,H,W].
struct Paths {
  at::Tensor both, cnn, gen;  // both, gen: undefined without a latent
  at::Tensor a;               // the CNN's scores [N,C,H,W]
  DiagonalGaussian prior;     // p(z|x); undefined without a latent
};
Paths Deterministic(Model& model, const at::Tensor& x);

// p(y|x,z) of several z ~ p(z|x) for one image. x: [1,3,H,W] as Model::Prepare
// gives it -> class probabilities [S,C,H,W]. For models with samples(), S > 0.
at::Tensor SamplePosteriors(Model& model, const at::Tensor& x, int64_t samples,
                            at::Generator& generator);
// The mean of them, [1,C,H,W], from what Deterministic gives of x: a [1,C,H,W]
// and p(z|x). Its memory does not grow with the samples.
at::Tensor MeanPosterior(Model& model, const at::Tensor& a,
                         const DiagonalGaussian& prior, int64_t samples,
                         at::Generator& generator);

// Of class probabilities [S,C,H,W] of one image: entropy in nats of their mean,
// and the variance over S summed over classes (at most 1/2 for two classes, 1
// - 1/C in general); both [H,W].
struct Uncertainty {
  at::Tensor entropy, variance;
};
Uncertainty Summarize(const at::Tensor& posteriors);

// A trained model, or an ensemble of them, in use: outputs in the order of
// Names(), each the mean over the ensemble.
class System : public Predictor {
 public:
  // models: at least one, of one type, in eval mode.
  System(std::vector<Model> models, const InferenceConfig& config);

  // "averaged" (of a model with samples(), where inference.samples asks for
  // it), then the path asked for, then the others.
  std::vector<std::string> Names() const override;
  // batch: images of sides that are multiples of 16.
  // The samples are a function of inference.seed and the image, whatever lies
  // beside it in the data.
  Prediction Predict(const Batch& batch) override;

  // Of the first model and the batch that Predict saw last: the images as
  // Model::Prepare gives them, and the paths.
  const at::Tensor& images() const { return images_; }
  const Paths& paths() const { return paths_; }

  Model& model() { return models_[0]; }

 private:
  std::vector<Model> models_;
  InferenceConfig config_;
  at::Tensor images_;
  Paths paths_;
};

}  // namespace cgm
}  // namespace seg

#endif  // CGM_INFERENCE_H_
