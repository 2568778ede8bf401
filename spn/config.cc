#include "spn/config.h"

#include <string>
#include <vector>

#include "common/backbones/fcn.h"
#include "common/backbones/feature_pyramid.h"

namespace seg {

SEG_DEFINE_ENUM(GateNormalization, {GateNormalization::kNone, "none"},
                {GateNormalization::kTanh, "tanh"},
                {GateNormalization::kDivide, "divide"},
                {GateNormalization::kClamp, "clamp"},
                {GateNormalization::kDividePlus, "divide_plus"})

namespace spn {

SEG_DEFINE_ENUM(CoarseSource, {CoarseSource::kParser, "parser"},
                {CoarseSource::kData, "data"}, {CoarseSource::kTruth, "truth"})
SEG_DEFINE_ENUM(RefineType, {RefineType::kNone, "none"},
                {RefineType::kDenseCrf, "dense_crf"}, {RefineType::kSpn, "spn"},
                {RefineType::kConvolution, "convolution"})
SEG_DEFINE_ENUM(RefinementHeadOptions::Form,
                {RefinementHeadOptions::Form::kSupplement, "supplement"},
                {RefinementHeadOptions::Form::kFaces, "faces"},
                {RefinementHeadOptions::Form::kVoc, "voc"})
SEG_DEFINE_ENUM(Reduction, {Reduction::kMean, "mean"}, {Reduction::kSum, "sum"})

SEG_DEFINE_CONFIG(CoarseConfig, source, network, weights, widths, scale)
SEG_DEFINE_CONFIG(RefineConfig, type, three_way, normalization, sum_all_gates,
                  channels, units, form, guidance, guidance_weights,
                  guidance_widths, output_norm, gate_scale, restrict_to_coarse,
                  pad_to)
SEG_DEFINE_CONFIG(PatchConfig, size, per_image, tries)
SEG_DEFINE_CONFIG(LossConfig, reduction, coarse)
SEG_DEFINE_CONFIG(GroupConfig, coarse_lr, guidance_lr, guidance_backbone_lr,
                  head_lr)
SEG_DEFINE_CONFIG(PredictConfig, max_pixels, tile, overlap, affinity, gates)
SEG_DEFINE_CONFIG(Config, SEG_PAPER_KEYS, coarse, refine, dense_crf, patch,
                  loss, groups, eval, predict)

std::vector<KeyRule> Config::Rules() {
  std::vector<std::string> parsers = FcnBackboneNames();
  parsers.insert(parsers.begin(), "unet");
  std::vector<std::string> guidances = FeaturePyramidNames();
  guidances.insert(guidances.begin(), "unet");
  std::vector<KeyRule> rules =
      PaperRules({OneOf<CoarseSource>("coarse.source"),
                  OneOf("coarse.network", parsers),
                  {"coarse.widths", 1, 65536},
                  {"coarse.scale", 1, 1024},
                  OneOf<RefineType>("refine.type"),
                  OneOf<GateNormalization>("refine.normalization"),
                  {"refine.channels", 1, 65536},
                  {"refine.units", 1, 100},
                  OneOf<RefinementHeadOptions::Form>("refine.form"),
                  OneOf("refine.guidance", guidances),
                  {"refine.guidance_widths", 1, 65536},
                  {"refine.gate_scale", 0, 1e6},
                  {"refine.pad_to", 0, 16384},
                  {"patch.size", 0, 16384},
                  {"patch.per_image", 1, 1000},
                  {"patch.tries", 0, 1000},
                  OneOf<Reduction>("loss.reduction"),
                  {"loss.coarse", 0, 1e6},
                  {"groups.coarse_lr", 0, 1e6},
                  {"groups.guidance_lr", 0, 1e6},
                  {"groups.guidance_backbone_lr", 0, 1e6},
                  {"groups.head_lr", 0, 1e6},
                  {"predict.max_pixels", 1, 1e12},
                  {"predict.tile", 64, 1e6},
                  {"predict.overlap", 1, 1e6},
                  {"predict.affinity", 0, 1e6}});
  AddRules("dense_crf", DenseCrfConfig::Rules(), &rules);
  return rules;
}

}  // namespace spn
}  // namespace seg
