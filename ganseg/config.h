// Configuration of the GANSeg trainer, evaluator, predictor and sampler.
#ifndef GANSEG_CONFIG_H_
#define GANSEG_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/app/paper_config.h"
#include "common/config/config.h"
#include "common/training/train_config.h"
#include "ganseg/discriminator.h"
#include "ganseg/generator.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace ganseg {

// What a run trains. kAll: the GAN, then the segmenter on its pictures.
// kSegmenter: the second alone, on the generator of --init_from.
enum class Stage { kAll, kGan, kSegmenter };
SEG_DECLARE_ENUM(Stage)
// How the generator learns. The auto-encoders are the paper's ablations
// (encoder.h): they learn to give a photograph again, with the geometric losses
// as they are; their encoder finds parts itself, and there is no segmenter.
enum class Objective { kAdversarial, kAutoencoderA, kAutoencoderB };
SEG_DECLARE_ENUM(Objective)
SEG_DECLARE_ENUM(GridType)
SEG_DECLARE_ENUM(HeatmapType)
SEG_DECLARE_ENUM(HeadType)

// generator.h says what the keys are. The defaults are the published model of
// faces.
struct GeneratorConfig {
  int64_t parts = 8;
  int64_t points_per_part = 4;
  int64_t noise_size = 256;
  int64_t mlp_width = 256;
  int64_t embedding_size = 64;
  int64_t position_channels = 256;
  int64_t spade_hidden = 128;
  int64_t adain_hidden = 128;
  std::vector<int64_t> block_sizes = {32, 32, 64, 128};
  std::vector<int64_t> margins = {10, 10, 10};
  bool check_margins = true;
  std::vector<int64_t> mask_channels = {64, 64, 64};
  std::vector<int64_t> foreground_channels = {256, 128, 64, 64};
  std::vector<int64_t> background_channels = {256, 128, 64, 64};
  GridType grid = GridType::kPixelCentred;
  HeatmapType heatmap = HeatmapType::kCone;
  double fixed_sigma = 0;  // 0: estimated from each part's points
  HeadType head = HeadType::kConv3x3;
  bool background_vertical_fixed = false;
  double point_divisor = 20;
};

struct DiscriminatorConfig {
  std::vector<int64_t> channels = {64, 128, 256, 512, 512, 512};
  int64_t fc_width = 512;
  double lr = 4;  // factor on train.optimizer.lr, the generator's
};

// Weights and intervals of the GAN's losses (losses.h). A term of every n-th
// update is not scaled by n, as in the released code.
struct LossConfig {
  double gradient_penalty = 10;
  double gradient_penalty_target = 1;
  int64_t gradient_penalty_every = 16;
  double concentration = 10;
  double area = 1;
  int64_t shape_every = 2;  // of concentration and area
};

struct SegmenterConfig {
  std::string backbone = "efficientnet_lite0";  // DeepLabV3BackboneNames()
  std::string weights = "imagenet";             // LoadPretrained
  int64_t output_stride = 8;
  std::vector<int64_t> rates = {12, 24, 36};
  int64_t channels = 256;
  double dropout = 0.5;
  int64_t batch_size = 64;
  double dice = 0.5;  // its weight; cross-entropy has the rest
  OptimizerConfig optimizer;

  SegmenterConfig();
};

// Of the encoder (encoder.h). The network of masks of autoencoder_b is the
// segmenter's section.
struct AutoencoderConfig {
  std::vector<int64_t> widths = {64, 128, 256, 512};
  std::string backbone = "resnet18";
};

// Labels that a colour rule reads off generated pictures, to judge their masks
// by. articulated: ArticulatedRule.
enum class Rule { kNone, kArticulated };
SEG_DECLARE_ENUM(Rule)

struct GansegEvalConfig : EvalConfig {
  int64_t samples = 320;  // pictures that the generator is judged by
  int64_t seed = 1;       // of their noise
  Rule rule = Rule::kNone;
  // Also the Frechet distance between the split's images and as many samples as
  // above, in the final report and in eval: of EfficientNet-Lite0's features,
  // or with `inception`, a TorchScript file, the FID (image_features.h).
  bool frechet = false;
  std::string inception;
  // Also how far the embeddings of parts and background are clusters, by t-SNE
  // (embedding_map.h), in the final report and in eval. Takes a minute for
  // 3,000 vectors on two cores; training rehearses it once before it starts.
  bool tsne = false;
  // Rows of the landmarks whose distance is the unit of the landmark error.
  std::vector<int64_t> eyes = {0, 1};
  // The split whose images fit the regression of landmarks: `val` of the
  // official formats is there for it. Empty, or the split that is measured: the
  // first half of that one fits, the second tests.
  std::string landmark_split = "val";
  // > 0: also the absolute error of Taichi, in pixels of a frame as wide as
  // this (256 in the paper; landmark_error.h).
  double landmark_frame = 0;
};

// What `sample` draws (sample.cc).
enum class Swap { kNone, kAppearance, kBackground };
SEG_DECLARE_ENUM(Swap)

struct SampleConfig {
  int64_t rows = 4;
  int64_t columns = 8;
  // 0: off. k >= 1: part k moves along each row, a quarter of the picture to
  // the right in all.
  int64_t move_part = 0;
  // Along each row the appearance or the background is the next sample's.
  Swap swap = Swap::kNone;
  // The points of every part spread from their centre by factors from 1 to
  // this along each row. 1: off.
  double spread = 1;
};

struct Config : PaperConfig {
  Stage stage = Stage::kAll;
  Objective objective = Objective::kAdversarial;
  // Of stage all: so many of train.steps are the GAN's, the rest the
  // segmenter's.
  int64_t gan_steps = 30000;
  GeneratorConfig generator;
  // > 0: pictures are drawn, learned from and judged by a running average of
  // the generator's weights with this decay (0.99: over about 100 updates;
  // ModelImpl::AverageGenerator). Not of the paper. 0: the weights as they are.
  double generator_ema = 0;
  DiscriminatorConfig discriminator;
  LossConfig loss;
  SegmenterConfig segmenter;
  AutoencoderConfig autoencoder;
  GansegEvalConfig eval;
  SampleConfig sample;

  // The published settings where they differ from those of other papers.
  Config();
  static std::vector<KeyRule> Rules();

  bool has_encoder() const { return objective != Objective::kAdversarial; }
  bool has_gan() const { return !has_encoder() && stage != Stage::kSegmenter; }
  bool has_segmenter() const { return !has_encoder() && stage != Stage::kGan; }
  // The first update of the segmenter; all before it are the GAN's, and all of
  // an auto-encoder are its own.
  int64_t FirstSegmenterStep() const;
};

GeneratorOptions ToOptions(const GeneratorConfig& config);
// Of the whole configuration: an auto-encoder's generator has parts less.
GeneratorOptions GeneratorOf(const Config& config);
DiscriminatorOptions ToOptions(const DiscriminatorConfig& config,
                               int64_t image_size);

SEG_DECLARE_CONFIG(GeneratorConfig)
SEG_DECLARE_CONFIG(DiscriminatorConfig)
SEG_DECLARE_CONFIG(LossConfig)
SEG_DECLARE_CONFIG(SegmenterConfig)
SEG_DECLARE_CONFIG(AutoencoderConfig)
SEG_DECLARE_CONFIG(GansegEvalConfig)
SEG_DECLARE_CONFIG(SampleConfig)
SEG_DECLARE_CONFIG(Config)

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_CONFIG_H_
