#include "crfgrad/config.h"

#include <string>
#include <vector>

#include "common/backbones/fcn.h"

namespace seg {
namespace crfgrad {

SEG_DEFINE_ENUM(Inference, {Inference::kFcn, "fcn"},
                {Inference::kDenseCrf, "dense_crf"},
                {Inference::kCrfGrad, "crfgrad"})
SEG_DEFINE_ENUM(LossType, {LossType::kNll, "nll"},
                {LossType::kSoftmax, "softmax"})
SEG_DEFINE_CONFIG(ModelConfig, backbone, weights, drop_connect_rate, input_size,
                  inference, freeze_fcn, freeze_batch_norm)
SEG_DEFINE_CONFIG(GroupConfig, backbone_lr, head_lr, crf_lr, crf_weight_decay)
SEG_DEFINE_CONFIG(LossConfig, type, epsilon, unary, unary_steps)
SEG_DEFINE_CONFIG(EvalConfig, classes, convergence, speck_area)
SEG_DEFINE_CONFIG(PredictConfig, max_pixels, tile, overlap, states)
SEG_DEFINE_CONFIG(Config, SEG_PAPER_KEYS, model, crf, dense_crf, loss, groups,
                  eval, predict)

std::vector<KeyRule> Config::Rules() {
  std::vector<KeyRule> rules =
      PaperRules({OneOf("model.backbone", FcnBackboneNames()),
                  {"model.drop_connect_rate", 0, 0.99},
                  {"model.input_size", 0, 16384},
                  OneOf<Inference>("model.inference"),
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
  AddRules("dense_crf", DenseCrfConfig::Rules(), &rules);
  return rules;
}

}  // namespace crfgrad
}  // namespace seg
