// One image on its way from pixels to proposals and their features: the steps
// that training keeps on disk (stages.h) and prediction does in one go.
#ifndef SEGNET_RERANK_IMAGE_ANALYSIS_H_
#define SEGNET_RERANK_IMAGE_ANALYSIS_H_

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "common/backbones/image_features.h"
#include "segnet_rerank/config.h"
#include "segnet_rerank/contour_network.h"
#include "segnet_rerank/fitted.h"
#include "segnet_rerank/regions/regions.h"

namespace seg {
namespace segnet_rerank {

// What describes a region: figure and ground of each descriptor type.
//   image: uint8 [3,H,W]; regions: of this image
//   returns: float32 [R,RegionVectorSize]
at::Tensor RegionVectors(const at::Tensor& image, const Regions& regions,
                         const O2pConfig& config);
int64_t RegionVectorSize(const O2pConfig& config);

// Scores by linear functions whose last column is added as it is.
//   rows: float32 [R,P]; scorer: float32 [T,P+1].   returns: float32 [R,T]
at::Tensor LinearScores(const at::Tensor& rows, const at::Tensor& scorer);

// The mean feature vector of an image, float32 [kImageFeatures].
//   image: uint8 [3,H,W]
at::Tensor DescribeImage(const ImageFeatures& network, const at::Tensor& image);

// The proposals of an image, from its pixels and, for Generator::kCrf, the
// coarse map.
//   coarse: float32 [C,g,g], SegNet's softmax
//   contours: by config.regions
//   key: of random choices (proposals.diversity)
struct RegionsAndProposals {
  Regions regions;
  Proposals proposals;
};
RegionsAndProposals MakeProposals(const at::Tensor& image,
                                  const at::Tensor& coarse,
                                  const Config& config, const Fitted& fitted,
                                  const ContourNetwork& contours, uint64_t key);

// Those of the random field: superpixels and the coarse map in, by CrfConfig.
Proposals FieldProposals(const at::Tensor& image, const at::Tensor& superpixels,
                         const at::Tensor& coarse, const Config& config);

// What the ranker sees of them, float32 [M,F], not standardised.
//   shares: float32 [M,C,g,g], ClassShares of the proposals
//   image_features: of DescribeImage
at::Tensor DescribeProposals(const at::Tensor& image,
                             const Proposals& proposals,
                             const at::Tensor& coarse, const at::Tensor& shares,
                             const at::Tensor& image_features,
                             const Config& config, const Fitted& fitted);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_IMAGE_ANALYSIS_H_
