#include "cgm/config.h"

#include <vector>

namespace seg {
namespace cgm {

SEG_DEFINE_ENUM(ModelType, {ModelType::kCnn, "cnn"}, {ModelType::kGdnn, "gdnn"},
                {ModelType::kGsnn, "gsnn"}, {ModelType::kCvae, "cvae"},
                {ModelType::kHybrid, "hybrid"})
SEG_DEFINE_ENUM(NoisyLayer, {NoisyLayer::kAuto, "auto"},
                {NoisyLayer::kOn, "on"}, {NoisyLayer::kOff, "off"})
SEG_DEFINE_ENUM(CorruptionType, {CorruptionType::kNone, "none"},
                {CorruptionType::kSquare, "square"},
                {CorruptionType::kBlocks, "blocks"})
SEG_DEFINE_ENUM(InferencePath, {InferencePath::kBoth, "both"},
                {InferencePath::kCnn, "cnn"}, {InferencePath::kGen, "gen"})
SEG_DEFINE_CONFIG(ModelConfig, type, classes, width, latent_channels,
                  multi_scale, noisy_layer, shared_head, guess_scale, alpha,
                  fused_unpool)
SEG_DEFINE_CONFIG(CorruptionConfig, type, max_side, block, omitted)
SEG_DEFINE_CONFIG(InferenceConfig, path, samples, seed, ensemble)
SEG_DEFINE_CONFIG(EvaluationConfig, foreground, generative, likelihood_samples,
                  energy_samples, omission_block, omitted, omission_rounds)
SEG_DEFINE_CONFIG(PredictConfig, samples)
SEG_DEFINE_CONFIG(CollapseConfig, kl, updates)
SEG_DEFINE_CONFIG(Config, SEG_PAPER_KEYS, model, corruption, inference,
                  evaluation, eval, predict, collapse)

std::vector<KeyRule> Config::Rules() {
  return PaperRules({OneOf<ModelType>("model.type"),
                     {"model.classes", 0, 255},
                     {"model.width", 1e-3, 100},
                     {"model.latent_channels", 1, 65536},
                     OneOf<NoisyLayer>("model.noisy_layer"),
                     {"model.guess_scale", 0, 1e3},
                     {"model.alpha", 0, 1},
                     OneOf<CorruptionType>("corruption.type"),
                     {"corruption.max_side", 0, 1},
                     {"corruption.block", 1, 16384},
                     {"corruption.omitted", 0, 1},
                     OneOf<InferencePath>("inference.path"),
                     {"inference.samples", 0, 1e6},
                     {"inference.seed", 0, 1e15},
                     {"evaluation.foreground", 0, 254},
                     {"evaluation.likelihood_samples", 1, 1e6},
                     {"evaluation.energy_samples", 1, 1e4},
                     {"evaluation.omission_block", 0, 16384},
                     {"evaluation.omitted", 0, 1},
                     {"evaluation.omission_rounds", 0, 1e4},
                     {"predict.samples", 0, 1e3},
                     {"collapse.kl", 0, 1e6},
                     {"collapse.updates", 1, 1e9}});
}

}  // namespace cgm
}  // namespace seg
