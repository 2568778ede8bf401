// Configuration of the CGM trainer, evaluator and predictor.
#ifndef CGM_CONFIG_H_
#define CGM_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/app/paper_config.h"
#include "common/config/config.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace cgm {

// Layer 4 of the CNN as a Gaussian layer, sampled in training. auto: as the
// authors' code has it, on for gsnn, cvae and hybrid.
enum class NoisyLayer { kAuto, kOn, kOff };
SEG_DECLARE_ENUM(NoisyLayer)

// cnn (no latent), gdnn (z = mean of the prior), gsnn (z from the prior), cvae
// (z from the recognition network) or hybrid (both).
enum class ModelType { kCnn, kGdnn, kGsnn, kCvae, kHybrid };
SEG_DECLARE_ENUM(ModelType)

struct ModelConfig {
  ModelType type = ModelType::kCvae;
  int64_t classes = 0;  // 0: those of the data; else they must agree
  double width = 1;     // factor on the widths of all layers but the latent's
  int64_t latent_channels = 32;
  bool multi_scale = true;  // heads at 1/4 and 1/2, in training
  NoisyLayer noisy_layer = NoisyLayer::kAuto;
  bool shared_head = false;  // one classifier for the CNN and the generator
  double guess_scale = 2;    // the prior sees softmax(guess_scale * a)
  double alpha = 0.5;        // hybrid: weight of the CVAE objective
  bool fused_unpool = true;  // unpooling and the convolution after it in one
};

// What is done to training images; the labels stay whole. square: one black
// square an image, its side up to max_side of the image's, one side a batch;
// blocks: `omitted` of the blocks black.
enum class CorruptionType { kNone, kSquare, kBlocks };
SEG_DECLARE_ENUM(CorruptionType)

struct CorruptionConfig {
  CorruptionType type = CorruptionType::kSquare;
  double max_side = 0.4;
  int64_t block = 8;
  double omitted = 0.5;
};

// What a prediction is made of: inference.h.
enum class InferencePath { kBoth, kCnn, kGen };
SEG_DECLARE_ENUM(InferencePath)

struct InferenceConfig {
  InferencePath path = InferencePath::kBoth;  // the first output
  // 0: z is the prior's mean. Else the mean of the posteriors of this many z.
  int64_t samples = 0;
  int64_t seed = 0;  // of the samples
  // Further runs or checkpoints, whose posteriors are averaged with the first.
  std::vector<std::string> ensemble = {};
};

struct EvaluationConfig {
  int64_t foreground = 1;  // class of the per-image IoU
  // Conditional log-likelihood and energy distance, beside the accuracies.
  bool generative = true;
  int64_t likelihood_samples = 50;
  int64_t energy_samples = 16;
  // Side of the blocks of the partial-observation study; 0: without it.
  int64_t omission_block = 0;
  double omitted = 0.5;
  int64_t omission_rounds = 10;  // of iterated inference, cvae and hybrid
};

struct PredictConfig {
  int64_t samples = 0;  // drawn beside the labels, with entropy and variance
};

// When training says that the latent is not used.
struct CollapseConfig {
  double kl = 0.1;  // nats an image
  int64_t updates = 200;
};

struct Config : PaperConfig {
  ModelConfig model;
  CorruptionConfig corruption;
  InferenceConfig inference;
  EvaluationConfig evaluation;
  EvalConfig eval;
  PredictConfig predict;
  CollapseConfig collapse;

  // Training selects by the metric that the paper does.
  Config() { train.best_metric = "pixel_accuracy"; }

  static std::vector<KeyRule> Rules();
};

SEG_DECLARE_CONFIG(ModelConfig)
SEG_DECLARE_CONFIG(CorruptionConfig)
SEG_DECLARE_CONFIG(InferenceConfig)
SEG_DECLARE_CONFIG(EvaluationConfig)
SEG_DECLARE_CONFIG(PredictConfig)
SEG_DECLARE_CONFIG(CollapseConfig)
SEG_DECLARE_CONFIG(Config)

}  // namespace cgm
}  // namespace seg

#endif  // CGM_CONFIG_H_
