// Configuration of SegNet-rerank's trainer, evaluator, predictor and re-ranker.
#ifndef SEGNET_RERANK_CONFIG_H_
#define SEGNET_RERANK_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/app/paper_config.h"
#include "common/config/config.h"
#include "common/solvers/ranking_svm.h"
#include "nlohmann/json.hpp"
#include "segnet_rerank/o2p/crf_proposals.h"
#include "segnet_rerank/o2p/descriptors.h"
#include "segnet_rerank/o2p/div_m_best.h"
#include "segnet_rerank/o2p/pasting.h"
#include "segnet_rerank/o2p/second_order_pooling.h"
#include "segnet_rerank/picks.h"
#include "segnet_rerank/ranking_features.h"
#include "segnet_rerank/regions/region_options.h"
#include "segnet_rerank/segnet.h"
#include "segnet_rerank/segnet_task.h"

namespace seg {

SEG_DECLARE_ENUM(RankingLoss)

namespace segnet_rerank {

// How far a training goes; each stage is kept (stages.h), and what comes before
// it is made where it is not there. kAll: to the trained system.
enum class Stage { kAll, kRegions, kO2p, kProposals, kSegnet, kRank };
SEG_DECLARE_ENUM(Stage)

// What makes proposals: pasted regions (o2p/), for objects before a background;
// or a random field over superpixels whose unaries are the coarse map
// (o2p/crf_proposals.h), for scenes that are all classes.
enum class Generator { kO2p, kCrf };
SEG_DECLARE_ENUM(Generator)

// Region scores by second-order pooling: o2p/.
struct O2pConfig {
  DescriptorConfig descriptors;
  bool lbp = false;  // local binary patterns too, by the next section
  DescriptorConfig lbp_descriptors;
  PoolingConfig pooling;
  // Principal axes that are kept, and the regions that they are fitted on.
  int64_t dimensions = 256;
  int64_t axes_regions = 2000;
  // The support vector regression of each class: Sec. 7.3 of our fact sheet.
  double c = 3.0;
  double epsilon = 0.25;
  // The most regions that it learns from. Of each image the true ones and those
  // that overlap an object by more than a half come first.
  int64_t examples = 50000;
  // Pasting (o2p/pasting.h). Its threshold is chosen on the training images, as
  // scorers that never saw them score them: the least one, from this one on, so
  // that at most so many regions are painted in an image, on average.
  // (Sec. 7.4 of our fact sheet starts at 0.2.)
  double least_threshold = 0.0;
  double painted = 2.2;
  int64_t most_regions = 3;
  double simplicity_bias = 0.02;

  O2pConfig() { lbp_descriptors.type = DescriptorType::kLbp; }
  static std::vector<KeyRule> Rules();
};
SEG_DECLARE_CONFIG(O2pConfig)

SEG_DECLARE_CONFIG(CoarseDivergenceOptions)

struct RankConfig {
  RankingLoss loss = RankingLoss::kMarginRescaled;
  // Candidates, of which the picks' corpus IoU on the held out share of the
  // training images chooses one.
  std::vector<double> c = {1e-4, 1e-3, 0.01, 0.1, 1, 10};
  double held_out = 0.25;
  // RankingFeaturesOptions.
  double smoothing = 1e-3;
  double least_intersection = 0.5;
  bool chi_square_maps = false;
  double classifier_c = 1.0;  // of image classifiers, on features of length 1
};
SEG_DECLARE_CONFIG(RankConfig)

struct Config : PaperConfig {
  EvalConfig eval;
  Stage stage = Stage::kAll;
  // Where stages are kept. "": `stages` in --work_dir, or without that beside
  // the runs, where trainings share them.
  std::string stages;
  // Whether class 0 is what belongs to no object. false: a class as the others
  // are, in scenes that are all classes. Then there is no penalty on it in
  // the pick by KL divergence, it has image classifiers, and its share is not
  // reported; O2P, which paints objects over it, is refused.
  bool background = true;
  int64_t folds = 10;  // networks and scorers that never saw an image: Sec. 5
  int64_t fold_steps = 0;  // updates of a fold's network; 0: as train says
  RegionOptions regions;
  O2pConfig o2p;
  Generator generator = Generator::kO2p;
  DivMBestConfig proposals;  // of O2P
  CrfConfig crf;
  // Proposals that another system made, FOLDER/NAME/*.png for each image, take
  // the place of those by O2P in eval and predict. "": none.
  std::string proposals_folder;
  SegNetConfig segnet;
  SegNetLossConfig loss;
  CoarseDivergenceOptions kl;  // of the pick by the coarse map alone
  RankConfig rank;

  Config();
  static std::vector<KeyRule> Rules();
};
SEG_DECLARE_CONFIG(Config)

PastingConfig Pasting(const O2pConfig& config, double threshold);
RankingFeaturesOptions FeaturesOptions(const Config& config);
// config.kl; without a background no penalty on it.
CoarseDivergenceOptions DivergenceOptions(const Config& config);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_CONFIG_H_
