#include "segnet_rerank/config.h"

#include <utility>

namespace seg {

SEG_DEFINE_ENUM(RankingLoss, {RankingLoss::kMarginRescaled, "margin_rescaled"},
                {RankingLoss::kSlackRescaled, "slack_rescaled"},
                {RankingLoss::kPairwise, "pairwise"})

namespace segnet_rerank {

SEG_DEFINE_ENUM(Stage, {Stage::kAll, "all"}, {Stage::kRegions, "regions"},
                {Stage::kO2p, "o2p"}, {Stage::kProposals, "proposals"},
                {Stage::kSegnet, "segnet"}, {Stage::kRank, "rank"})
SEG_DEFINE_ENUM(Generator, {Generator::kO2p, "o2p"}, {Generator::kCrf, "crf"})

SEG_DEFINE_CONFIG(O2pConfig, descriptors, lbp, lbp_descriptors, pooling,
                  dimensions, axes_regions, c, epsilon, examples,
                  least_threshold, painted, most_regions, simplicity_bias)
SEG_DEFINE_CONFIG(CoarseDivergenceOptions, smoothing, background_weight)
SEG_DEFINE_CONFIG(RankConfig, loss, c, held_out, smoothing, least_intersection,
                  chi_square_maps, classifier_c)
SEG_DEFINE_CONFIG(Config, SEG_PAPER_KEYS, eval, stage, stages, background,
                  folds, fold_steps, regions, o2p, generator, proposals, crf,
                  proposals_folder, segnet, loss, kl, rank)

std::vector<KeyRule> O2pConfig::Rules() {
  std::vector<KeyRule> rules = {
      {"dimensions", 1, 65536},  {"axes_regions", 1, 1e6},
      {"c", 1e-9, 1e9},          {"epsilon", 0, 1},
      {"examples", 1, 1e8},      {"least_threshold", -1, 1},
      {"painted", 0, 100},       {"most_regions", 1, 1000},
      {"simplicity_bias", 0, 1},
  };
  AddRules("descriptors", DescriptorConfig::Rules(), &rules);
  AddRules("lbp_descriptors", DescriptorConfig::Rules(), &rules);
  AddRules("pooling", PoolingConfig::Rules(), &rules);
  return rules;
}

Config::Config() {
  // Sec. 5: the natural defaults of Caffe, as the paper names none.
  train.optimizer.lr = 0.01;
  train.optimizer.momentum = 0.9;
  train.optimizer.weight_decay = 5e-4;
  train.best_metric = "";  // the last: a validation passes all stages
  data.augment.flip = true;
}

std::vector<KeyRule> Config::Rules() {
  std::vector<KeyRule> rules = {
      OneOf<Stage>("stage"),
      OneOf<Generator>("generator"),
      {"folds", 2, 1000},
      {"fold_steps", 0, 1e12},
      {"kl.smoothing", 0, 1},
      {"kl.background_weight", 0, 1000},
      OneOf<RankingLoss>("rank.loss"),
      {"rank.c", 1e-12, 1e12},
      {"rank.held_out", 0.01, 0.9},
      {"rank.smoothing", 1e-12, 1},
      {"rank.least_intersection", 1e-12, 1e6},
      {"rank.classifier_c", 1e-9, 1e9},
  };
  AddRules("regions", RegionOptions::Rules(), &rules);
  AddRules("o2p", O2pConfig::Rules(), &rules);
  AddRules("proposals", DivMBestConfig::Rules(), &rules);
  AddRules("crf", CrfConfig::Rules(), &rules);
  AddRules("segnet", SegNetConfig::Rules(), &rules);
  AddRules("loss", SegNetLossConfig::Rules(), &rules);
  return PaperRules(std::move(rules));
}

PastingConfig Pasting(const O2pConfig& config, double threshold) {
  PastingConfig pasting;
  pasting.threshold = threshold;
  pasting.most_regions = config.most_regions;
  pasting.simplicity_bias = config.simplicity_bias;
  return pasting;
}

RankingFeaturesOptions FeaturesOptions(const Config& config) {
  RankingFeaturesOptions options;
  options.smoothing = config.rank.smoothing;
  options.least_intersection = config.rank.least_intersection;
  options.chi_square_maps = config.rank.chi_square_maps;
  options.background = config.background;
  return options;
}

CoarseDivergenceOptions DivergenceOptions(const Config& config) {
  CoarseDivergenceOptions options = config.kl;
  if (!config.background) options.background_weight = 0;
  return options;
}

}  // namespace segnet_rerank
}  // namespace seg
