// Configuration of the CRF-Grad trainer, evaluator and predictor.
#ifndef CRFGRAD_CONFIG_H_
#define CRFGRAD_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/app/paper_config.h"
#include "common/config/config.h"
#include "common/config/dense_crf_config.h"
#include "common/layers/mean_field/crf_rnn.h"
#include "crfgrad/crf_layer.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace crfgrad {

// What turns scores into labels: arg-max, mean field on the trained FCN, the
// same as a layer that learns (CRF-RNN), or the CRF-Grad layer.
enum class Inference { kFcn, kDenseCrf, kCrfRnn, kCrfGrad };
SEG_DECLARE_ENUM(Inference)

// Where the class probabilities come from that a CRF starts from.
//   network: the FCN of the `model` section;
//   folder:  data.probabilities, of any system. There is no FCN then, the CRF
//            learns alone, and what is said of an FCN here has no effect
//            (backbone, weights, freeze_*, loss.unary, loss.unary_steps).
enum class UnarySource { kNetwork, kFolder };
SEG_DECLARE_ENUM(UnarySource)

struct UnaryConfig {
  UnarySource source = UnarySource::kNetwork;  // network or folder
};

struct ModelConfig {
  // tiny, efficientnet_lite0, efficientnet_lite1, efficientnet_lite2 or vgg16.
  std::string backbone = "tiny";
  // Start of the backbone: "" (random), "imagenet" (EfficientNet-Lite; fetched
  // by the build) or a .pth or .safetensors file.
  std::string weights = "";
  double drop_connect_rate = 0.2;
  // The FCN sees every image at input_size x input_size pixels and its scores
  // are brought back to the image's own size, where the CRF works and labels
  // are compared. Training samples are resized to it as a whole. 0: own size.
  int64_t input_size = 0;
  // fcn, dense_crf, crf_rnn or crfgrad.
  Inference inference = Inference::kCrfGrad;
  // Keep the FCN as it is once the CRF trains (train.steps > unary_steps).
  bool freeze_fcn = false;
  // Batch norms of the FCN use and keep their running statistics.
  bool freeze_batch_norm = false;
};

// CRF-RNN (Zheng et al. 2015): crf_rnn.h. The weights are those at the start.
struct CrfRnnConfig {
  int64_t iterations = 5;        // in training
  int64_t eval_iterations = 10;  // in use
  double spatial_theta = 3;      // pixels
  double spatial_weight = 3;
  double theta_position = 160;  // pixels
  double theta_colour = 3;      // grey levels
  double bilateral_weight = 5;

  static std::vector<KeyRule> Rules();
  CrfRnnOptions Options(int64_t num_classes) const;
};

// Factors on train.optimizer.lr and decay for each parameter group.
struct GroupConfig {
  double backbone_lr = 1.0;
  double head_lr = 1.0;
  double crf_lr = 1.0;
  double crf_weight_decay = 0.0;
};

// On q^T: nll (-log q, continued linearly below epsilon) or softmax
// (cross-entropy of a second soft-max over q, the authors' code). Of CRF-RNN it
// is -log Q in either.
enum class LossType { kNll, kSoftmax };
SEG_DECLARE_ENUM(LossType)

struct LossConfig {
  LossType type = LossType::kNll;
  double epsilon = 0.01;
  // Weight of the FCN's own cross-entropy added to it.
  double unary = 0.0;
  // Updates on the FCN's cross-entropy alone before the CRF joins.
  int64_t unary_steps = 0;
};

struct EvalConfig : seg::EvalConfig {
  // Also measure energy, mean IoU and specks after each iteration.
  bool convergence = false;
  int64_t speck_area = 50;  // pixels; smaller false regions are specks
};

struct PredictConfig {
  int64_t max_pixels = 1 << 21;  // larger images go through in tiles
  int64_t tile = 1024;
  int64_t overlap = 128;
  bool states = false;  // also write the labels after each iteration
};

// What the system is made of (model.h): these sections alone.
struct SystemConfig {
  ModelConfig model;
  UnaryConfig unary;
  CrfConfig crf;
  CrfRnnConfig crf_rnn;
  DenseCrfConfig dense_crf;
};

struct Config : PaperConfig, SystemConfig {
  LossConfig loss;
  GroupConfig groups;
  EvalConfig eval;
  PredictConfig predict;

  static std::vector<KeyRule> Rules();
};

SEG_DECLARE_CONFIG(ModelConfig)
SEG_DECLARE_CONFIG(UnaryConfig)
SEG_DECLARE_CONFIG(CrfRnnConfig)
SEG_DECLARE_CONFIG(GroupConfig)
SEG_DECLARE_CONFIG(LossConfig)
SEG_DECLARE_CONFIG(EvalConfig)
SEG_DECLARE_CONFIG(PredictConfig)
SEG_DECLARE_CONFIG(Config)

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_CONFIG_H_
