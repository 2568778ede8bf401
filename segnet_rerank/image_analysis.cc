#include "segnet_rerank/image_analysis.h"

#include <ATen/ATen.h>

#include <vector>

#include "common/solvers/superpixels.h"
#include "segnet_rerank/contours.h"
#include "segnet_rerank/image_classifier.h"
#include "segnet_rerank/o2p/crf_proposals.h"
#include "segnet_rerank/o2p/div_m_best.h"
#include "segnet_rerank/o2p/second_order_pooling.h"
#include "segnet_rerank/picks.h"
#include "segnet_rerank/ranking_features.h"
#include "segnet_rerank/regions/region_pool.h"
#include "segnet_rerank/regions/superpixel_image.h"

namespace seg {
namespace segnet_rerank {
namespace {

std::vector<DescriptorConfig> DescriptorTypes(const O2pConfig& config) {
  std::vector<DescriptorConfig> types = {config.descriptors};
  if (config.lbp) types.push_back(config.lbp_descriptors);
  return types;
}

// Of PoolRegions.
int64_t PooledSize(const DescriptorConfig& descriptors, Pooling pooling) {
  constexpr int64_t kPositionAndScale = 6;
  const int64_t size =
      HistogramSize(descriptors) + kColourValues + kPositionAndScale;
  return pooling == Pooling::kFirstOrder ? size : size * (size + 1) / 2;
}

}  // namespace

at::Tensor RegionVectors(const at::Tensor& image, const Regions& regions,
                         const O2pConfig& config) {
  std::vector<at::Tensor> types;
  for (const DescriptorConfig& descriptors : DescriptorTypes(config)) {
    const SuperpixelMoments moments = PoolSuperpixels(
        ComputeDescriptors(image, descriptors), regions.superpixels);
    for (const Area area : {Area::kFigure, Area::kGround}) {
      types.push_back(PoolRegions(moments, regions, area, config.pooling));
    }
  }
  return at::cat(NormaliseTypes(types, config.pooling.power), 1);
}

int64_t RegionVectorSize(const O2pConfig& config) {
  int64_t size = 0;
  for (const DescriptorConfig& descriptors : DescriptorTypes(config)) {
    size += 2 * PooledSize(descriptors, config.pooling.pooling);
  }
  return size;
}

at::Tensor LinearScores(const at::Tensor& rows, const at::Tensor& scorer) {
  const int64_t features = scorer.size(1) - 1;
  return rows.matmul(scorer.narrow(1, 0, features).t()) +
         scorer.select(1, features);
}

at::Tensor DescribeImage(const ImageFeatures& network,
                         const at::Tensor& image) {
  return network(image.to(at::kFloat).unsqueeze(0))[0].to(at::kCPU);
}

Proposals FieldProposals(const at::Tensor& image, const at::Tensor& superpixels,
                         const at::Tensor& coarse, const Config& config) {
  return CrfProposals(SuperpixelShares(coarse, superpixels), superpixels,
                      MakeSuperpixelGraph(image, superpixels), config.crf);
}

RegionsAndProposals MakeProposals(const at::Tensor& image,
                                  const at::Tensor& coarse,
                                  const Config& config, const Fitted& fitted,
                                  uint64_t key) {
  RegionsAndProposals made;
  if (config.generator == Generator::kCrf) {
    made.regions.superpixels = Superpixels(image, config.regions);
    made.proposals =
        FieldProposals(image, made.regions.superpixels, coarse, config);
    return made;
  }
  made.regions = ProposeRegions(image, config.regions);
  const at::Tensor vectors = RegionVectors(image, made.regions, config.o2p);
  made.proposals = DivMBest(
      LinearScores(vectors.matmul(fitted.axes), fitted.region_scorer),
      made.regions, Pasting(config.o2p, fitted.threshold.item<double>()),
      config.proposals, key);
  return made;
}

at::Tensor DescribeProposals(const at::Tensor& image,
                             const Proposals& proposals,
                             const at::Tensor& coarse, const at::Tensor& shares,
                             const at::Tensor& image_features,
                             const Config& config, const Fitted& fitted) {
  const ImageScores scores = ScoreImage(fitted.image_scorer, image_features);
  RankingInput input;
  input.coarse = coarse;
  input.shares = shares;
  input.labels = proposals.labels;
  input.score = proposals.score;
  input.class_scores = scores.class_scores;
  input.size_scores = scores.size_scores;
  input.area_thresholds = fitted.area_thresholds;
  input.contours = ContourStrength(image);
  return RankingFeatures(input, FeaturesOptions(config));
}

}  // namespace segnet_rerank
}  // namespace seg
