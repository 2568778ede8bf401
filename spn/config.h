// Configuration of the SPN trainer, evaluator and predictor.
#ifndef SPN_CONFIG_H_
#define SPN_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/app/paper_config.h"
#include "common/config/config.h"
#include "common/config/dense_crf_config.h"
#include "common/layers/spatial_propagation/gate_normalization.h"
#include "nlohmann/json.hpp"
#include "spn/refinement_head.h"

namespace seg {

SEG_DECLARE_ENUM(GateNormalization)

namespace spn {

// Where the coarse class probabilities come from.
//   parser: a network of the model, on the image at 1 / scale;
//   data:   data.probabilities;
//   truth:  the true labels at 1 / scale (mean over pixels), for studies.
enum class CoarseSource { kParser, kData, kTruth };
SEG_DECLARE_ENUM(CoarseSource)

struct CoarseConfig {
  CoarseSource source = CoarseSource::kParser;
  // The parser: unet, or the name of an FCN backbone (tiny,
  // efficientnet_lite0 .. 2, vgg16).
  std::string network = "unet";
  std::string weights = "";  // of the FCN backbone: "", imagenet or a file
  // Encoder of the U-net. The paper's is 32 .. 512 for 128 x 128 pixels, which
  // leaves 4 x 4 in the middle; a smaller input wants fewer levels.
  std::vector<int64_t> widths = {32, 64, 128, 256, 512};
  int64_t scale = 8;
};

// The coarse result as it is, mean field on it, propagation, or an equal head
// without propagation.
enum class RefineType { kNone, kDenseCrf, kSpn, kConvolution };
SEG_DECLARE_ENUM(RefineType)
SEG_DECLARE_ENUM(RefinementHeadOptions::Form)

struct RefineConfig {
  RefineType type = RefineType::kSpn;  // none, dense_crf, spn or convolution
  bool three_way = true;
  // none, tanh, divide (A), clamp (B) or divide_plus (C): gate_normalization.h.
  GateNormalization normalization = GateNormalization::kTanh;
  bool sum_all_gates = false;
  int64_t channels = 32;
  int64_t units = 2;
  // supplement, faces or voc: refinement_head.h.
  RefinementHeadOptions::Form form = RefinementHeadOptions::Form::kFaces;
  // The guidance network: unet (of its own), or a backbone whose features it
  // reads (efficientnet_lite0 .. 2, vgg16), and that one's weights ("",
  // imagenet or a file).
  std::string guidance = "unet";
  std::string guidance_weights = "";
  // Widths of the U-net's encoder, finest first.
  std::vector<int64_t> guidance_widths = {16, 32, 64, 128, 256, 512};
  bool output_norm = true;  // batch norm on the gates
  // Factor on what is last in the guidance network at the start: 0 begins with
  // gates 0, that is without propagation (under none, tanh and clamp). From 1
  // the propagation begins by mixing at random, and learns far slower.
  double gate_scale = 0.1;
  // Only classes that are the coarse arg-max somewhere in the image may win.
  bool restrict_to_coarse = false;
  // 0: images are padded to sides that are multiples of the guidance network's
  // stride. Else to a square of this side: mean colour and background outside,
  // larger images made smaller first (512 in the released VOC evaluation).
  int64_t pad_to = 0;
};

// What the refinement is trained on: random squares of the (augmented) image.
struct PatchConfig {
  int64_t size = 128;  // pixels; 0: whole images
  int64_t per_image = 1;
  // A square with fewer than two classes is drawn anew up to `tries` times
  // where the image has two.
  int64_t tries = 10;
};

// Of the refinement's loss: mean over labelled pixels, or their sum divided by
// the number of patches (the released solver sums). The parser's is a mean.
enum class Reduction { kMean, kSum };
SEG_DECLARE_ENUM(Reduction)

struct LossConfig {
  Reduction reduction = Reduction::kMean;
  // Weight of the parser's own cross-entropy once the refinement trains too.
  double coarse = 1.0;
};

// Factors on train.optimizer.lr for each parameter group. coarse_lr 0 keeps
// the parser as it is.
struct GroupConfig {
  double coarse_lr = 1.0;
  double guidance_lr = 1.0;
  double guidance_backbone_lr = 0.1;  // of a backbone in the guidance network
  double head_lr = 1.0;
};

struct PredictConfig {
  int64_t max_pixels = 1 << 21;  // larger images go through in tiles
  int64_t tile = 1024;
  int64_t overlap = 128;
  // [x, y]: also draw what a pixel gives to the others, by direction.
  std::vector<int64_t> affinity = {};
  bool gates = false;  // also draw the gates as colours
};

// What the system is made of (model.h): these sections alone.
struct SystemConfig {
  CoarseConfig coarse;
  RefineConfig refine;
  DenseCrfConfig dense_crf;
};

struct Config : PaperConfig, SystemConfig {
  PatchConfig patch;
  LossConfig loss;
  GroupConfig groups;
  EvalConfig eval;
  PredictConfig predict;

  static std::vector<KeyRule> Rules();
};

SEG_DECLARE_CONFIG(CoarseConfig)
SEG_DECLARE_CONFIG(RefineConfig)
SEG_DECLARE_CONFIG(PatchConfig)
SEG_DECLARE_CONFIG(LossConfig)
SEG_DECLARE_CONFIG(GroupConfig)
SEG_DECLARE_CONFIG(PredictConfig)
SEG_DECLARE_CONFIG(Config)

}  // namespace spn
}  // namespace seg

#endif  // SPN_CONFIG_H_
