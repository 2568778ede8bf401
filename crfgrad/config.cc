#include "crfgrad/config.h"

#include <string>
#include <vector>

#include "common/backbones/fcn.h"

namespace seg {
namespace crfgrad {

SEG_DEFINE_ENUM(Inference, {Inference::kFcn, "fcn"},
                {Inference::kDenseCrf, "dense_crf"},
                {Inference::kCrfRnn, "crf_rnn"},
                {Inference::kCrfGrad, "crfgrad"})
SEG_DEFINE_ENUM(UnarySource, {UnarySource::kNetwork, "network"},
                {UnarySource::kFolder, "folder"})
SEG_DEFINE_ENUM(LossType, {LossType::kNll, "nll"},
                {LossType::kSoftmax, "softmax"})
SEG_DEFINE_CONFIG(ModelConfig, backbone, weights, drop_connect_rate, input_size,
                  inference, freeze_fcn, freeze_batch_norm)
SEG_DEFINE_CONFIG(UnaryConfig, source)
SEG_DEFINE_CONFIG(CrfRnnConfig, iterations, eval_iterations, spatial_theta,
                  spatial_weight, theta_position, theta_colour,
                  bilateral_weight)
SEG_DEFINE_CONFIG(GroupConfig, backbone_lr, head_lr, crf_lr, crf_weight_decay)
SEG_DEFINE_CONFIG(LossConfig, type, epsilon, unary, unary_steps)
SEG_DEFINE_CONFIG(EvalConfig, classes, mean_classes, convergence, speck_area)
SEG_DEFINE_CONFIG(PredictConfig, max_pixels, tile, overlap, states)
SEG_DEFINE_CONFIG(Config, SEG_PAPER_KEYS, model, unary, crf, crf_rnn, dense_crf,
                  loss, groups, eval, predict)

std::vector<KeyRule> CrfRnnConfig::Rules() {
  return {{"iterations", 0, 1000},        {"eval_iterations", 0, 1000},
          {"spatial_theta", 1e-3, 1e6},   {"spatial_weight", -1e6, 1e6},
          {"theta_position", 1e-3, 1e6},  {"theta_colour", 1e-3, 1e6},
          {"bilateral_weight", -1e6, 1e6}};
}

CrfRnnOptions CrfRnnConfig::Options(int64_t num_classes) const {
  return CrfRnnOptions(num_classes)
      .iterations(iterations)
      .eval_iterations(eval_iterations)
      .spatial_theta(spatial_theta)
      .spatial_weight(spatial_weight)
      .theta_position(theta_position)
      .theta_colour(theta_colour)
      .bilateral_weight(bilateral_weight);
}

std::vector<KeyRule> Config::Rules() {
  std::vector<KeyRule> rules =
      PaperRules({OneOf("model.backbone", FcnBackboneNames()),
                  {"model.drop_connect_rate", 0, 0.99},
                  {"model.input_size", 0, 16384},
                  OneOf<Inference>("model.inference"),
                  OneOf<UnarySource>("unary.source"),
                  {"groups.backbone_lr", 0, 1e6},
                  {"groups.head_lr", 0, 1e6},
                  {"groups.crf_lr", 0, 1e6},
                  {"groups.crf_weight_decay", 0, 1e6},
                  OneOf<LossType>("loss.type"),
                  {"loss.epsilon", 1e-12, 0.5},
                  {"loss.unary", 0, 1e6},
                  {"loss.unary_steps", 0, 1e12},
                  {"eval.speck_area", 1, 1e12},
                  {"predict.max_pixels", 1, 1e12},
                  {"predict.tile", 64, 1e6},
                  {"predict.overlap", 1, 1e6}});
  AddRules("crf", CrfConfig::Rules(), &rules);
  AddRules("crf_rnn", CrfRnnConfig::Rules(), &rules);
  AddRules("dense_crf", DenseCrfConfig::Rules(), &rules);
  return rules;
}

}  // namespace crfgrad
}  // namespace seg
